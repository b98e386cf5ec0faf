/// The limits and times of QUIC.
public struct QUICConfiguration: Sendable {
    /// How fast a connection may send (RFC 9002, section 7).
    public enum CongestionControl: Sendable, Hashable {
        /// Grows until packets are lost (RFC 9438); what the rest of the internet does.
        case cubic
        /// Measures the path's bandwidth; keeps going where packets are lost at random.
        case bbr
    }

    /// When a client must prove that it receives at its address before it costs more than a packet (RFC 9000, section 8.1).
    public enum AddressValidation: Sendable, Hashable {
        /// Once so many handshakes are under way.
        case underPressure(handshakes: Int)
        /// Each time; costs every client a round trip.
        case always
    }

    /// A connection on which nothing arrives for so long has ended; the smaller of both sides' counts.
    public var idleTimeout: Duration
    /// After so long a silence on a connection without streams the peer is asked whether it lives; nil never asks. No more than half of the
    /// idle time; where the peer's idle time is shorter, half of that.
    public var keepAliveInterval: Duration?
    /// The same on a connection with streams, where somebody may be waiting for the peer; nil waits as long as without.
    public var busyKeepAliveInterval: Duration?
    /// How long the peer may take to answer while there are streams, or to take up the first; then it is dead. Nil leaves that to the idle time.
    public var busyPatience: Duration?
    /// How long the handshakes of one connection may take.
    public var handshakeTimeout: Duration = .seconds(10)
    /// A dialled address from which not one packet has come after so long is taken for unreachable: a dead port says nothing.
    public var answerTimeout: Duration = .seconds(5)
    /// Streams that the peer may have open at once; those of ours beyond the peer's own limit wait for their turn.
    public var maximumInboundStreams = 256
    /// Streams that may exist at once on one connection, both directions together.
    public var maximumStreams = 512
    /// The window with which every stream begins, in bytes.
    public var initialStreamWindow: UInt64 = 256 * 1_024
    /// How far the receive window of one stream may grow, in bytes.
    public var maximumStreamWindow: UInt64 = 10 * 1_024 * 1_024
    /// The window with which every connection begins, in bytes, for all streams together.
    public var initialWindow: UInt64 = 1_024 * 1_024
    /// How far the receive window of a connection may grow, in bytes; all connections together share the budget of the host.
    public var maximumWindow: UInt64 = 15 * 1_024 * 1_024
    /// Streams that a peer may reset in one ``resetPeriod`` before its connection is closed.
    public var maximumResets = 200
    /// See ``maximumResets``.
    public var resetPeriod: Duration = .seconds(30)
    /// How fast a connection may send.
    public var congestionControl: CongestionControl = .cubic
    /// When clients must prove their address.
    public var addressValidation: AddressValidation = .underPressure(handshakes: 64)
    /// Arrivals and handshakes that may be under way at once on one socket; further ones are refused before any cryptography. More than the
    /// host's own limit of pending arrivals, which chooses who makes room; this one can't choose.
    public var maximumHandshakes = 1_024
    /// A connection on which nothing has happened for so long has its memory packed until something does: it then takes a third, and some
    /// tens of microseconds to come back. One that is woken soon waits longer for its next rest. Nil leaves memory as it is.
    public var restAfter: Duration? = .milliseconds(100)
    /// Let the kernel split and join datagrams (GSO, GRO) where it can.
    public var usesOffload = true
    /// Where connections write what happens to them, packet by packet; nil for nowhere, which costs nothing.
    public var qlog: QLogDirectory?

    private init(idleTimeout: Duration, keepAliveInterval: Duration?, busyKeepAliveInterval: Duration?, busyPatience: Duration?) {
        self.idleTimeout = idleTimeout
        self.keepAliveInterval = keepAliveInterval
        self.busyKeepAliveInterval = busyKeepAliveInterval
        self.busyPatience = busyPatience
    }

    /// The same as ``server``.
    public init() { self = .server }

    /// For machines that stay where they are: whoever waits for a dead peer hears of it within 10 s, and everybody else within 45 s.
    public static let server = QUICConfiguration(
        idleTimeout: .seconds(30), keepAliveInterval: .seconds(15), busyKeepAliveInterval: .seconds(3), busyPatience: .seconds(6))
    /// For machines that run on batteries: the radio sleeps most of the time.
    public static let mobile = QUICConfiguration(
        idleTimeout: .seconds(60), keepAliveInterval: .seconds(25), busyKeepAliveInterval: nil, busyPatience: nil)
}
