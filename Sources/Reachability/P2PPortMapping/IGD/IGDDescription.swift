import P2PMultiaddr

/// The service of a device that maps ports, or opens its firewall of IPv6, as the device describes itself (UPnP InternetGatewayDevice:1 and 2).
struct IGDService: Hashable {
    let type: String
    let control: GatewayURL

    /// Whether it can choose a port by itself (AddAnyPortMapping).
    var choosesPorts: Bool { self.type.hasSuffix("WANIPConnection:2") }

    /// The services that map ports, the best one first.
    static let types = [
        "urn:schemas-upnp-org:service:WANIPConnection:2", "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANPPPConnection:1",
    ]
    /// What opens the firewall for an address of IPv6.
    static let firewall = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"

    /// Every service of a description that is wanted, the best ones first: a router may have several outer sides, of which one is in use.
    ///
    /// - Parameters:
    ///   - wanted: types of services, the best one first.
    ///   - location: where the description was.
    /// - Throws: for malformed or excessive XML, when there is no such service, and when its URL leads to another host.
    static func all(
        _ wanted: [String] = Self.types, in description: [UInt8], at location: GatewayURL
    ) throws(GatewayError) -> [IGDService] {
        var reader = XMLReader(description)
        var path: [String] = []
        var base = location
        var found: [(type: String, control: String)] = []
        var (type, control) = ("", "")
        var services = 0
        while let event = try reader.next() {
            switch event {
            case .open(let name):
                path.append(name)
                guard name == "service" else { continue }
                services += 1
                guard services <= MappingLimits.services else {
                    throw GatewayError("it describes more than \(MappingLimits.services) services")
                }
                (type, control) = ("", "")
            case .text(let text):
                switch path.suffix(2) {
                case ["service", "serviceType"]: type += text
                case ["service", "controlURL"]: control += text
                case ["root", "URLBase"]: base = try GatewayURL(text)
                default: break
                }
            case .close:
                guard path.popLast() == "service", wanted.contains(type), !control.isEmpty else { continue }
                found.append((type, control))
            }
        }
        guard base.host == location.host else { throw GatewayError("its URLs lead to another host, \(base.host)") }
        var all: [IGDService] = []
        for type in wanted {
            for service in found where service.type == type {
                let control = try base.resolving(service.control)
                guard control.host == location.host else { throw GatewayError("its URLs lead to another host, \(control.host)") }
                all.append(IGDService(type: type, control: control))
            }
        }
        guard !all.isEmpty else {
            throw GatewayError("it describes no service that \(wanted == [Self.firewall] ? "opens its firewall" : "maps ports")")
        }
        return all
    }
}
