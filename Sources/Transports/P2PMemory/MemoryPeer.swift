public import P2PIdentity
public import P2PMultiaddr

/// One side of an in-memory connection.
public struct MemoryPeer: Sendable {
    /// Who it is; nothing is proved in memory.
    public var key: PublicKey
    /// Where it is.
    public var address: Multiaddr
    /// Runs tasks for its side of the connection; nil lets them run where they like.
    public var executor: (any TaskExecutor)?
    /// What its application attached for the other side to see.
    public var appMetadata: [UInt8]?

    /// A peer by its key and address.
    public init(key: PublicKey, address: Multiaddr, executor: (any TaskExecutor)? = nil, appMetadata: [UInt8]? = nil) {
        self.key = key
        self.address = address
        self.executor = executor
        self.appMetadata = appMetadata
    }
}
