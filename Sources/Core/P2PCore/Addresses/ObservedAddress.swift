public import P2PMultiaddr

/// Where peers say that they see this node.
public struct ObservedAddress: Hashable, Sendable {
    /// Without `/p2p`.
    public let address: Multiaddr
    /// How many say so, of those that are in different networks.
    public let observers: Int
    /// Whether enough do, so that it is announced.
    public let isConfirmed: Bool

    /// An address, and what speaks for it.
    public init(address: Multiaddr, observers: Int, isConfirmed: Bool) {
        self.address = address
        self.observers = observers
        self.isConfirmed = isConfirmed
    }
}
