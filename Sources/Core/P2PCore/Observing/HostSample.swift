/// What a host holds at a moment and has counted until then, for whoever shows it: read on request, so that nobody pays for it otherwise.
public struct HostSample: Sendable {
    /// What the host holds and has carried.
    public var statistics: HostStatistics
    /// Every limit, and how near it is.
    public var limits: [LimitUse]
    /// What waits in the host's queues.
    public var queues: [QueueDepth]
    /// Streams and bytes of each protocol that this host serves or opens streams for; empty where nobody observes the host.
    public var protocols: [ProtocolCount]
    /// Every connection that lives, with what it has carried.
    public var connections: [ConnectionSample]

    /// Takes every figure.
    public init(
        statistics: HostStatistics, limits: [LimitUse] = [], queues: [QueueDepth] = [], protocols: [ProtocolCount] = [],
        connections: [ConnectionSample] = []
    ) {
        self.statistics = statistics
        self.limits = limits
        self.queues = queues
        self.protocols = protocols
        self.connections = connections
    }
}

/// What waits in one of a host's queues.
public struct QueueDepth: Sendable, Hashable {
    /// What the queue is called.
    public var name: String
    /// How many wait.
    public var depth: Int
    /// How many may; nil where what feeds the queue is limited instead.
    public var limit: Int?

    /// Takes every figure.
    public init(name: String, depth: Int, limit: Int? = nil) {
        self.name = name
        self.depth = depth
        self.limit = limit
    }
}

/// Streams and bytes of one protocol, over all connections of a host.
public struct ProtocolCount: Sendable, Hashable {
    /// The protocol's name; `other` for those beyond the most that are told apart.
    public var name: String
    /// Streams that this side has opened.
    public var opened: UInt64
    /// Streams of peers that this side has begun to serve.
    public var served: UInt64
    /// Streams that live, of those that this side opened.
    public var openNow: Int
    /// Streams that live, of those of peers.
    public var servedNow: Int
    /// Bytes that the application has read. Of a stream that lives, up to 64 KiB may not be counted yet.
    public var bytesIn: UInt64
    /// Bytes that the application has written. Of a stream that lives, up to 64 KiB may not be counted yet.
    public var bytesOut: UInt64

    /// Takes every figure.
    public init(
        name: String, opened: UInt64 = 0, served: UInt64 = 0, openNow: Int = 0, servedNow: Int = 0, bytesIn: UInt64 = 0,
        bytesOut: UInt64 = 0
    ) {
        self.name = name
        self.opened = opened
        self.served = served
        self.openNow = openNow
        self.servedNow = servedNow
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
    }
}

/// A connection that lives, with what it has carried.
public struct ConnectionSample: Sendable {
    /// Which one.
    public var connection: ConnectionInfo
    /// What it has carried, and what its path is like.
    public var traffic: ConnectionTraffic

    /// A connection and its figures.
    public init(_ connection: ConnectionInfo, traffic: ConnectionTraffic) {
        self.connection = connection
        self.traffic = traffic
    }
}
