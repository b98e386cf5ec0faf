public import P2PIdentity
public import P2PMultiaddr

/// A peer as messages name it: its id, and where it is said to be.
public struct KademliaContact: Hashable, Sendable {
    /// Who it is.
    public let peer: PeerID
    /// Where it is said to be, without `/p2p`.
    public var addresses: [Multiaddr]

    /// A peer at addresses without `/p2p`.
    public init(_ peer: PeerID, at addresses: [Multiaddr] = []) {
        self.peer = peer
        self.addresses = addresses
    }
}
