public import NIOCore
public import P2PIdentity
public import P2PMultiaddr

/// A place to look for where a peer is, such as a distributed hash table. A dial asks it.
public protocol PeerFinding: Sendable {
    /// Looks for a peer until it has found what there is, the deadline passes or the task is cancelled, and hands over addresses as they
    /// are found: the dial tries each at once.
    ///
    /// - Parameter onAddresses: with or without `/p2p`; what is handed over after the method has returned is ignored.
    func find(
        _ peer: PeerID, deadline: NIODeadline, onAddresses: @escaping @Sendable ([Multiaddr]) async -> Void
    ) async
}
