public import P2PMultiaddr

/// Knows addresses of this node that no listener has, such as a mapped port or a place at a relay.
public protocol AddressContributing: Sendable {
    /// What is announced now, without `/p2p`.
    var addresses: [Multiaddr] { get }
    /// Yields the whole list each time that it changes. The host is its one consumer.
    var addressChanges: AddressChanges { get }
}
