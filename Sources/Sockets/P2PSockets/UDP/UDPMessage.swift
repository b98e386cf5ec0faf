public import NIOCore

/// One datagram.
public struct UDPMessage: Hashable, Sendable {
    /// What it carries, perhaps nothing.
    public var data: ByteBuffer
    /// Where it comes from or is to go, numeric; nil for connected sockets, whose other side is always the same.
    public var remoteAddress: String?
    /// The port there.
    public var remotePort: Int?

    /// The parts, as documented above.
    public init(_ data: ByteBuffer, remoteAddress: String? = nil, remotePort: Int? = nil) {
        self.data = data
        self.remoteAddress = remoteAddress
        self.remotePort = remotePort
    }
}

/// What a UDP socket is: connected, with a remote address and port, or bound, with a local address; never both.
public struct UDPOptions: Sendable {
    /// Connected: the host of the other side, a name or a numeric address.
    public var remoteAddress: String?
    /// Connected: the port there.
    public var remotePort: Int?
    /// Bound: a numeric local address.
    public var localAddress: String?
    /// Bound: the local port; nil for one of the system's choice.
    public var localPort: Int?
    /// Connected: which addresses of a name are used.
    public var family = SocketAddressFamily.any
    /// Bound to `::`: only IPv6.
    public var ipv6Only = false
    /// The kernel's buffer for what is sent, in bytes; nil leaves it to the system.
    public var sendBufferSize: Int?
    /// The kernel's buffer for what is received, in bytes; nil leaves it to the system.
    public var receiveBufferSize: Int?
    /// Bound: others may bind the same address and port for the same groups (SO_REUSEADDR, SO_REUSEPORT).
    public var allowsSharing = false
    /// Bound: groups that are joined before it is open, numeric.
    public var groups: [String] = []
    /// The interface, by its name, by which groups are joined and sent to; nil leaves it to the system.
    public var groupInterface: String?
    /// How far datagrams to groups go, 0-255 hops; nil for the system's choice, one.
    public var groupHops: Int?
    /// Whether datagrams to groups come back to sockets of this machine; nil for the system's choice, yes.
    public var groupLoopback: Bool?
    /// How long permission and the name may take.
    public var openTimeout = Duration.seconds(30)
    /// Who is asked before anything is bound or sent; nobody if nil.
    public var gate: (any SocketGate)?

    /// The defaults, as documented above: neither connected nor bound.
    public init() {}

    /// What it is, if it makes sense.
    func plan() throws(SocketError) -> UDPPlan {
        for size in [self.sendBufferSize, self.receiveBufferSize].compactMap({ $0 }) where !(1...Int(CInt.max)).contains(size) {
            throw SocketError(.invalidArgument, "a buffer of \(size) bytes is none")
        }
        if let hops = self.groupHops, !(0...255).contains(hops) { throw SocketError(.invalidArgument, "\(hops) hops are none") }
        switch (self.remoteAddress, self.remotePort, self.localAddress, self.localPort) {
        case (let host?, let port?, nil, nil):
            guard (1...65_535).contains(port), !host.isEmpty, !host.utf8.contains(0) else {
                throw SocketError(.invalidArgument, "\(host.debugDescription), port \(port) is nowhere to send to")
            }
            guard self.groups.isEmpty else { throw SocketError(.invalidArgument, "a connected socket joins no groups") }
            return .connected(host, port)
        case (nil, nil, let address?, let port):
            if let port, !(1...65_535).contains(port) { throw SocketError(.invalidArgument, "port \(port) is none to bind; nil is any") }
            guard let local = try? SocketAddress(ipAddress: address, port: port ?? 0) else {
                throw SocketError(.invalidArgument, "\(address) is no numeric address")
            }
            if self.ipv6Only, local.ipAddress != "::" { throw SocketError(.invalidArgument, "ipv6Only goes with ::, not with \(address)") }
            for group in self.groups { _ = try Self.group(group) }
            return .bound(local)
        default:
            throw SocketError(.invalidArgument, "a UDP socket has a remote address and port, or a local address; not both, and not neither")
        }
    }

    static func group(_ text: String) throws(SocketError) -> SocketAddress {
        guard let address = try? SocketAddress(ipAddress: text, port: 0), address.isMulticast else {
            throw SocketError(.invalidArgument, "\(text) is no group")
        }
        return address
    }
}

/// What a UDP socket is.
enum UDPPlan {
    case connected(String, Int)
    case bound(SocketAddress)
}
