public import P2PCore
public import P2PSwarm

/// What a ``PeerHost`` may be told.
public struct HostConfiguration: Sendable {
    /// How much peers may make it hold.
    public var limits: ResourceLimits
    /// Whom it knows by address: proxies that are believed, and networks that have places of their own.
    public var networks: KnownNetworks
    /// How long a dial may take, over all addresses; go's default.
    public var dialTimeout: Duration
    /// How long one address, or one arrival, may take with all of its handshakes.
    public var handshakeTimeout: Duration
    /// How long a peer may take to say which protocol a stream is to speak.
    public var negotiationTimeout: Duration
    /// How long streams may go on once a graceful shutdown has begun.
    public var shutdownGrace: Duration
    /// The implementation, as identify tells it.
    public var agentVersion: String
    /// The family of protocols, as identify tells it.
    public var protocolVersion: String
    /// How many peers at different addresses must have seen this node at an address before it is announced; where that is more than one, they must
    /// not all be in one network (IPv4 /24, IPv6 /48).
    public var observersNeeded: Int
    /// Whether peers that a source of discovery finds are dialled.
    public var dialsDiscovered: Bool

    /// Bytes that the receive windows of all connections of a host may grow by, unless it is told otherwise.
    public static let defaultWindowBudget = 256 * 1_024 * 1_024

    /// The defaults make a node of the public network.
    public init(
        limits: ResourceLimits = ResourceLimits(), dialTimeout: Duration = .seconds(15), handshakeTimeout: Duration = .seconds(10),
        negotiationTimeout: Duration = .seconds(10), shutdownGrace: Duration = .seconds(5), agentVersion: String = "swift-p2p/0.1.0",
        protocolVersion: String = "ipfs/0.1.0", observersNeeded: Int = 4, dialsDiscovered: Bool = true,
        networks: KnownNetworks = KnownNetworks()
    ) {
        self.limits = limits
        self.networks = networks
        self.dialTimeout = dialTimeout
        self.handshakeTimeout = handshakeTimeout
        self.negotiationTimeout = negotiationTimeout
        self.shutdownGrace = shutdownGrace
        self.agentVersion = agentVersion
        self.protocolVersion = protocolVersion
        self.observersNeeded = observersNeeded
        self.dialsDiscovered = dialsDiscovered
    }
}
