public import P2PIdentity
public import P2PMultiaddr

/// A source of peers, such as mDNS or a list of known addresses. It is a module, too, that brings nothing but itself.
public protocol Discovery: HostModule {
    /// Announces the host's addresses where the source can, and tells it of each peer found (``HostAccess/discovered(_:)``). Runs until
    /// cancelled; while the host is suspended it is, and is started anew afterwards. When it throws, it is tried again after a pause.
    func run(on host: any HostAccess) async throws
}

extension Discovery {
    /// A source of peers is all that it brings.
    public func join(_ plan: inout HostPlan) async throws { plan.discovery.append(self) }
}

/// A peer that a source of discovery found; unverified until it is dialled.
public struct DiscoveredPeer: Sendable, Hashable {
    /// The name of the peer that was found.
    public let peer: PeerID
    /// Where the peer is said to listen, without `/p2p`.
    public let addresses: [Multiaddr]
    /// For how long the source vouches for the addresses.
    public let timeToLive: Duration
    /// The addresses are the peerstore's own: there is nothing to remember of them, least of all that they hold here.
    package var isRemembered = false

    /// A peer at addresses without `/p2p`.
    public init(peer: PeerID, addresses: [Multiaddr], timeToLive: Duration) {
        self.peer = peer
        self.addresses = addresses
        self.timeToLive = timeToLive
    }
}
