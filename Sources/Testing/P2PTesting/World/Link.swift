/// What the way between two hosts of a ``World`` is like, the same in both directions.
///
/// ```swift
/// world.link(a, b, .latency(.milliseconds(40)).loss(0.01).bandwidth(1_000_000))
/// ```
///
/// A connection over it behaves as one over TCP: its bytes arrive in order, and a lost packet shows as a delay.
public struct Link: Sendable, Hashable {
    /// How long a packet is on its way in one direction, once it has left; a round trip takes twice as much.
    public var latency: Duration
    /// The most by which a packet may be later than that; how much is drawn anew each time.
    public var jitter: Duration
    /// Bytes a second in each direction, shared by all connections of the two hosts; nil for no limit. Only what applications write counts.
    public var bandwidth: Int?
    /// The part of the packets that is lost, from 0 to 1. A packet that is lost is sent again after a round trip and 25 ms, the pause
    /// of QUIC (RFC 9002, section 6.2.1), doubled with each time in a row.
    public var loss: Double
    /// The most that one packet carries, in bytes.
    public var packetSize: Int
    /// Round trips from the start of a dial until the dialer has its connection: two for TCP with Noise or TLS, one for QUIC.
    public var handshakeRoundTrips: Int
    /// How long a connection outlives a partition.
    public var timeout: Duration

    /// A link without latency or limits, unless told otherwise.
    public init(
        latency: Duration = .zero, jitter: Duration = .zero, bandwidth: Int? = nil, loss: Double = 0, packetSize: Int = 1_400,
        handshakeRoundTrips: Int = 2, timeout: Duration = .seconds(30)
    ) {
        self.latency = latency
        self.jitter = jitter
        self.bandwidth = bandwidth
        self.loss = loss
        self.packetSize = packetSize
        self.handshakeRoundTrips = handshakeRoundTrips
        self.timeout = timeout
    }

    /// A link that differs from the plainest by its latency in one direction.
    public static func latency(_ latency: Duration) -> Link { Link(latency: latency) }

    /// The same link with another ``jitter``.
    public func jitter(_ jitter: Duration) -> Link { self.with { $0.jitter = jitter } }
    /// The same link with another ``bandwidth``, in bytes a second.
    public func bandwidth(_ bytesPerSecond: Int?) -> Link { self.with { $0.bandwidth = bytesPerSecond } }
    /// The same link with another ``loss``, from 0 to 1.
    public func loss(_ part: Double) -> Link { self.with { $0.loss = part } }
    /// The same link with another ``handshakeRoundTrips``.
    public func handshakeRoundTrips(_ count: Int) -> Link { self.with { $0.handshakeRoundTrips = count } }
    /// The same link with another ``timeout``.
    public func timeout(_ timeout: Duration) -> Link { self.with { $0.timeout = timeout } }

    private func with(_ change: (inout Link) -> Void) -> Link {
        var link = self
        change(&link)
        return link
    }
}
