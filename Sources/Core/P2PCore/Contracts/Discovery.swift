public import P2PIdentity
public import P2PMultiaddr

/// A source of peers, such as mDNS or a list of known addresses.
public protocol Discovery: Sendable {
    /// Announces `addresses()` where the source can, and calls `onPeer` for each peer found. Runs until cancelled.
    func run(
        announcing addresses: @escaping @Sendable () async -> [Multiaddr], onPeer: @escaping @Sendable (DiscoveredPeer) async -> Void
    ) async throws
}

/// A peer that a source of discovery found; unverified until it is dialled.
public struct DiscoveredPeer: Sendable, Hashable {
    /// Who was found.
    public let peer: PeerID
    /// Without `/p2p`.
    public let addresses: [Multiaddr]
    /// For how long the source vouches for the addresses.
    public let timeToLive: Duration

    /// A peer at addresses without `/p2p`.
    public init(peer: PeerID, addresses: [Multiaddr], timeToLive: Duration) {
        self.peer = peer
        self.addresses = addresses
        self.timeToLive = timeToLive
    }
}
