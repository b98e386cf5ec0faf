package import P2PCore

/// How much peers may make a host hold. Every limit has a name, which its ``LimitError`` repeats.
public struct ResourceLimits: Sendable, Hashable {
    /// Arrivals whose handshakes are not done. The next one takes the place of the one that has shown least for longest.
    public var pendingInbound = 256
    /// The same, from one address (an IPv4 address or an IPv6 /64). Loopback is exempt, as for every limit per address.
    public var pendingInboundPerAddress = 64
    /// The same beside those, for the networks that are known (``KnownNetworks/allowed``).
    public var pendingInboundAllowed = 64
    /// Connections, both ways. When all are taken, the next one takes the place of the least valuable one that may go, if that is worth no more. Setting
    /// it sets ``connectionsHigh`` to as many, and ``connectionsLow`` to a sixteenth less.
    public var connections = 4_096 {
        didSet { (self.connectionsHigh, self.connectionsLow) = (self.connections, self.connections - max(1, self.connections / 16)) }
    }
    /// The high watermark: when there are more connections than this, the least valuable are closed until there are ``connectionsLow``.
    public var connectionsHigh = 4_096
    /// The low watermark: to how many connections the least valuable are closed.
    public var connectionsLow = 3_840
    /// How long a connection is left alone by that after it was opened. When all places are taken, five seconds are enough.
    public var connectionGrace = Duration.seconds(20)
    /// Connections beside those, with the networks and peers that are known (``KnownNetworks/allowed``, ``KnownNetworks/allowedPeers``). The limit per
    /// address does not count them.
    public var connectionsAllowed = 256
    /// Connections with one peer.
    public var connectionsPerPeer = 8
    /// Connections with one address.
    public var connectionsPerAddress = 128
    /// Streams that one peer may have open with the handlers here, over all protocols.
    public var inboundStreamsPerPeer = 2_048
    /// Streams of peers that handlers serve, each with a task of its own, over all peers. When there are so many, peers that have as many as the
    /// average open no more; those that have fewer do.
    public var tasks = 32_768
    /// Dials that are under way, whatever their number of addresses.
    public var dials = 256
    /// What peers may make the host hold in memory, in bytes: buffers of streams both ways, what waits to be sent, and what each connection and
    /// stream costs. Where it runs short, windows grow no more, then the peers that hold most open no more streams, then the least valuable
    /// connections are closed. Setting it sets ``memoryPerPeer``, ``memoryPerNetwork``, ``memoryAllowed``, ``memoryKept`` and ``tasks``, too.
    public var memory = 512 * 1_024 * 1_024 {
        didSet { self.followMemory() }
    }
    /// The same for one peer, over all of its connections; at first a quarter of ``memory``.
    public var memoryPerPeer = 128 * 1_024 * 1_024
    /// The same for one network, an IPv4 /24 or an IPv6 /56 (and twice as much for an IPv6 /48), over all of its peers; at first half of ``memory``.
    /// Loopback is exempt, and so is who has memory of its own.
    public var memoryPerNetwork = 256 * 1_024 * 1_024
    /// The same beside ``memory``, for the networks and peers that are known (``KnownNetworks/allowed``, ``KnownNetworks/allowedPeers``), whose
    /// connections are not closed for want of memory, only beyond ``memoryPerPeer``; at first an eighth of it.
    public var memoryAllowed = 64 * 1_024 * 1_024

    /// Of ``memory``, for what is kept of peers that are known, connected or not: the peerstore in memory, in which the peers make room of whom
    /// least is to be expected, or what waits to be written into another, and is lost beyond it; at first a sixteenth of it.
    public var memoryKept = 32 * 1_024 * 1_024

    /// Sets what is a part of ``memory``.
    mutating func followMemory() {
        self.memoryPerPeer = self.memory / 4
        self.memoryPerNetwork = self.memory / 2
        self.memoryAllowed = self.memory / 8
        self.memoryKept = self.memory / 16
        // A quarter of the memory, if none of their streams holds a byte.
        self.tasks = max(1, self.memory / 4 / HeldMemory.perStream)
    }

    /// The defaults: enough for a busy node, little enough for one attacker.
    public init() {}

    /// Those about memory.
    package var memoryLimits: MemoryLimits {
        MemoryLimits(
            total: self.memory, perPeer: self.memoryPerPeer, allowed: self.memoryAllowed, perNetwork: self.memoryPerNetwork,
            kept: self.memoryKept)
    }

    /// To how many connections the least valuable are closed, and from how many on; never above ``connections``.
    package var watermarks: (low: Int, high: Int) {
        let high = max(0, min(self.connectionsHigh, self.connections))
        return (max(0, min(self.connectionsLow, high - 1)), high)
    }
}
