import P2PIdentity

/// What a program that speaks SOCKS asks to be connected to.
enum SOCKSDestination: Sendable, Hashable {
    /// A host by its address, or by its name, which the exit looks up; and a port.
    case target(host: String, port: UInt16)
    /// A service of a peer; nil is the port's number as a name.
    case service(PeerID, name: String)

    /// The domain of peers.
    static let suffix = ".p2p"

    /// Reads a host: `NAME.PEER.p2p` and `PEER.p2p` name services, the peer as a CIDv1 in base36 or base32, since base58 does not survive a
    /// change of case. With several labels before the peer, `a.b` is the service `/x/a/b`. Without any, the service is named by its port.
    init?(host: String, port: UInt16) {
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        guard name.lowercased().hasSuffix(Self.suffix) else {
            self = .target(host: host, port: port)
            return
        }
        var labels = name.dropLast(Self.suffix.count).split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard let peerLabel = labels.popLast(), let peer = PeerID(peerLabel.lowercased()) ?? PeerID(peerLabel) else { return nil }
        let service = labels.isEmpty ? "\(port)" : labels.joined(separator: "/")
        guard TunnelName(TunnelName.prefix + service) != nil else { return nil }
        self = .service(peer, name: service)
    }
}
