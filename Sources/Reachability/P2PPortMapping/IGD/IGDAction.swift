import P2PHTTPHead
import P2PMultiaddr

/// What a gateway's service is asked to do, as SOAP.
enum IGDAction: Equatable {
    case statusInfo
    case externalAddress
    /// Maps a port, or renews its mapping; `lease` is in seconds, 0 for ever. With `any` the router may choose another outer port.
    case add(LocalPort, external: UInt16, client: IPAddress, lease: UInt32, any: Bool)
    /// Whether the mapping is still there.
    case verify(LocalPort, external: UInt16)
    case delete(LocalPort, external: UInt16)
    /// Whether the firewall of IPv6 is up, and may be opened.
    case firewallStatus
    /// Lets packets in at a port of this node's own address of IPv6, for `lease` seconds: a pinhole, to which the router gives a number.
    case open(LocalPort, client: IPAddress, lease: UInt32)
    case extend(LocalPort, pinhole: UInt16, lease: UInt32)
    /// Whether the pinhole is still there: how many packets it has let in.
    case count(LocalPort, pinhole: UInt16)
    case shut(LocalPort, pinhole: UInt16)

    var name: String {
        switch self {
        case .statusInfo: "GetStatusInfo"
        case .externalAddress: "GetExternalIPAddress"
        case .add(_, _, _, _, any: false): "AddPortMapping"
        case .add(_, _, _, _, any: true): "AddAnyPortMapping"
        case .verify: "GetSpecificPortMappingEntry"
        case .delete: "DeletePortMapping"
        case .firewallStatus: "GetFirewallStatus"
        case .open: "AddPinhole"
        case .extend: "UpdatePinhole"
        case .count: "GetPinholePackets"
        case .shut: "DeletePinhole"
        }
    }

    /// In the order in which the service declares them, on which some routers insist.
    private var arguments: [(String, String)] {
        switch self {
        case .statusInfo, .externalAddress, .firewallStatus: []
        case .add(let port, let external, let client, let lease, _):
            Self.entry(port, external) + [
                ("NewInternalPort", "\(port.number)"), ("NewInternalClient", "\(client)"), ("NewEnabled", "1"),
                ("NewPortMappingDescription", "libp2p"), ("NewLeaseDuration", "\(lease)"),
            ]
        case .verify(let port, let external), .delete(let port, let external): Self.entry(port, external)
        case .open(let port, let client, let lease):
            [
                ("RemoteHost", ""), ("RemotePort", "0"), ("InternalClient", "\(client)"), ("InternalPort", "\(port.number)"),
                ("Protocol", "\(port.transport.number)"), ("LeaseTime", "\(lease)"),
            ]
        case .extend(_, let pinhole, let lease): [("UniqueID", "\(pinhole)"), ("NewLeaseTime", "\(lease)")]
        case .count(_, let pinhole), .shut(_, let pinhole): [("UniqueID", "\(pinhole)")]
        }
    }

    private static func entry(_ port: LocalPort, _ external: UInt16) -> [(String, String)] {
        [("NewRemoteHost", ""), ("NewExternalPort", "\(external)"), ("NewProtocol", port.transport.rawValue.uppercased())]
    }

    /// The whole request.
    func request(to service: IGDService) -> [UInt8] {
        let arguments = self.arguments.map { "<\($0)>\($1)</\($0)>" }.joined()
        let body = """
            <?xml version="1.0"?>\r
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" \
            s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:\(self.name) xmlns:u="\(service.type)">\(arguments)\
            </u:\(self.name)></s:Body></s:Envelope>
            """
        return Array(
            """
            POST \(service.control.path) HTTP/1.1\r
            Host: \(service.control.authority)\r
            Content-Type: text/xml; charset="utf-8"\r
            SOAPAction: "\(service.type)#\(self.name)"\r
            Content-Length: \(body.utf8.count)\r
            Connection: close\r
            \r
            \(body)
            """.utf8)
    }

    /// What a service answers.
    struct Answer: Equatable {
        /// UPnP's error; nil for success.
        var fault: Fault?
        fileprivate(set) var values: [String: String] = [:]

        /// Reads the body of an answer.
        ///
        /// - Throws: for malformed or excessive XML, and for an error without a code.
        init(_ reply: HTTPReply) throws(GatewayError) {
            var reader = XMLReader(reply.body)
            var path: [String] = []
            while let event = try reader.next() {
                switch event {
                case .open(let name): path.append(name)
                case .close: path.removeLast()
                case .text(let text):
                    guard let name = path.last, Self.names.contains(name) else { continue }
                    self.values[name, default: ""] += text
                }
            }
            if reply.status == 200 { return }
            guard let code = self.values["errorCode"].flatMap({ HTTPHead.number($0) }).flatMap(UInt16.init(exactly:)) else {
                throw GatewayError("it answers with the status \(reply.status)")
            }
            self.fault = Fault(code: code)
        }

        private static let names: Set = [
            "NewExternalIPAddress", "NewConnectionStatus", "NewReservedPort", "NewInternalClient", "FirewallEnabled",
            "InboundPinholeAllowed",
            "UniqueID", "errorCode",
        ]
    }

    /// An error of UPnP's; open, since a gateway may send any.
    struct Fault: Hashable, CustomStringConvertible {
        let code: UInt16

        static let noSuchPinhole = Fault(code: 704)
        static let noSuchEntry = Fault(code: 714)
        static let conflict = Fault(code: 718)
        static let samePortRequired = Fault(code: 724)
        static let onlyPermanentLeases = Fault(code: 725)
        static let noPortsLeft = Fault(code: 728)

        private static let names: [UInt16: String] = [
            401: "invalid action", 402: "invalid arguments", 501: "action failed", 606: "not authorized", 701: "no pinhole left",
            702: "the firewall is off",
            703: "no pinholes are allowed", 704: "no such pinhole", 705: "protocol not supported", 706: "port wildcard not permitted",
            707: "protocol wildcard not permitted", 708: "address wildcard not permitted", 709: "no traffic so far", 714: "no such entry",
            715: "wildcard not permitted", 716: "wildcard port not permitted", 718: "conflict with another mapping",
            724: "same port required", 725: "only permanent leases", 726: "remote host must be a wildcard", 727: "port must be a wildcard",
            728: "no port left", 729: "conflict with another mechanism", 732: "wildcard not permitted for the inner port",
        ]

        var description: String { "\(self.code) (\(Self.names[self.code] ?? "unknown error"))" }
    }
}
