/// How much those may make a listener hold who have not proved to be peers, on one port that an application or several protocols share.
public struct WebLimits: Sendable, Hashable {
    /// Connections that have not said yet what they are. The next one takes the place of the one that has said least for longest.
    public var waiting = 256
    /// The same, from one address (an IPv4 address or an IPv6 /64). Loopback is exempt, as for every limit per address.
    public var waitingPerAddress = 64
    /// The same beside those, for the networks and proxies that are known (``KnownNetworks``).
    public var waitingAllowed = 64
    /// Connections that the application serves, or that are told 404. WebSockets beyond are offered to libp2p.
    public var serving = 256
    /// The same, from one address. Behind a proxy in front of the port, all clients have the proxy's address.
    public var servingPerAddress = 64
    /// How long a connection has to say what it is and to send its request; and how long it may take nothing of the answer.
    public var patience = Duration.seconds(10)
    /// Content of a request, in bytes.
    public var content = 1_024 * 1_024
    /// How long the client of an application's WebSocket may be silent before it is asked for a sign of life (a ping), and then again before
    /// it is cut. Nil neither asks nor cuts.
    public var idle: Duration? = .seconds(60)
    /// How long a connection may go on sending behind the last answer, for it to arrive.
    public var lingering = Duration.seconds(5)
    /// How many bytes it may send there; they are dropped.
    public var lingeringContent = 16 * 1_024 * 1_024

    /// The defaults.
    public init() {}
}
