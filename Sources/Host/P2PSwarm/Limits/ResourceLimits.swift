package import P2PCore

/// How much peers may make a host hold. Every limit has a name, which its ``LimitError`` repeats.
public struct ResourceLimits: Sendable, Hashable {
    /// Arrivals whose handshakes are not done. The next one takes the place of the one that has shown least for longest.
    public var pendingInbound = 256
    /// The same, from one address (an IPv4 address or an IPv6 /64). Loopback is exempt, as for every limit per address.
    public var pendingInboundPerAddress = 64
    /// The same beside those, for the networks that are known (``KnownNetworks/allowed``).
    public var pendingInboundAllowed = 64
    /// Connections, both ways.
    public var connections = 4_096
    /// Connections beside those, with the networks that are known (``KnownNetworks/allowed``). The limit per address does not count them.
    public var connectionsAllowed = 256
    /// Connections with one peer.
    public var connectionsPerPeer = 8
    /// Connections with one address.
    public var connectionsPerAddress = 128
    /// Streams that one peer may have open with the handlers here, over all protocols.
    public var inboundStreamsPerPeer = 2_048
    /// Dials that are under way, whatever their number of addresses.
    public var dials = 256
    /// What peers may make the host hold in memory, in bytes: buffers of streams both ways, what waits to be sent, and what each connection and
    /// stream costs. Where it runs short, windows grow no more, then the peers that hold most open no more streams, then the least valuable
    /// connections are closed. Setting it sets ``memoryPerPeer`` and ``memoryAllowed``, too.
    public var memory = 512 * 1_024 * 1_024 {
        didSet {
            self.memoryPerPeer = self.memory / 4
            self.memoryAllowed = self.memory / 8
        }
    }
    /// The same for one peer, over all of its connections; at first a quarter of ``memory``.
    public var memoryPerPeer = 128 * 1_024 * 1_024
    /// The same beside ``memory``, for the networks that are known (``KnownNetworks/allowed``), whose connections are not closed for want of
    /// memory, only beyond ``memoryPerPeer``; at first an eighth of it.
    public var memoryAllowed = 64 * 1_024 * 1_024

    /// The defaults: enough for a busy node, little enough for one attacker.
    public init() {}

    /// Those about memory.
    package var memoryLimits: MemoryLimits {
        MemoryLimits(total: self.memory, perPeer: self.memoryPerPeer, allowed: self.memoryAllowed)
    }
}
