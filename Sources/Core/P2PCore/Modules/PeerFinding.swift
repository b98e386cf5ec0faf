public import NIOCore
public import P2PIdentity
public import P2PMultiaddr

/// A place to look for where a peer is, such as a distributed hash table. A dial asks it when nothing that is known of the peer leads to it.
public protocol PeerFinding: Sendable {
    /// What the errors of dials call it, such as `dht`.
    var name: String { get }

    /// Looks for a peer until it has found what there is, the deadline passes or the task is cancelled, and hands over addresses as they
    /// are found: the dial tries each at once. It has to return soon after it was cancelled.
    ///
    /// - Parameter onAddresses: with or without `/p2p`. It does not wait. What a dial has no room for is left out, and what comes after its
    ///   end is ignored.
    /// - Throws: why nothing, or nothing more, was found; dials that fail tell it.
    func find(
        _ peer: PeerID, deadline: NIODeadline, onAddresses: @escaping @Sendable ([Multiaddr]) -> Void
    ) async throws(DialError)
}
