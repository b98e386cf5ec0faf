/// What bounds tunnels. The defaults are those of `Specs/Tunnels.md`.
public struct TunnelConfiguration: Sendable, Hashable {
    /// Flows (connections, and sources of datagrams) that one peer may have here, and that all may have.
    public var flowsPerPeer = 256
    /// See ``flowsPerPeer``.
    public var flows = 1_024
    /// Flows whose target is being connected; those beyond wait for their turn.
    public var opening = 64
    /// What connecting to one address of a target may take.
    public var connectTimeout = Duration.seconds(10)
    /// What everything before the first byte may take, on either side.
    public var openTimeout = Duration.seconds(30)
    /// How long a tunnel of which one side has ended may go on without a byte.
    public var halfClosedIdle = Duration.seconds(600)
    /// How long an open tunnel may go without a byte; nil for as long as it likes, since the muxer watches the peer.
    public var idle: Duration?
    /// How long a flow of datagrams may go without one (RFC 4787, REQ-5).
    public var datagramIdle = Duration.seconds(120)
    /// The same for a flow to a name server, once it has answered.
    public var lookupIdle = Duration.seconds(10)
    /// How long the end of what this side says is kept from a peer that would take it for the end of everything (kubo).
    public var finishHold = Duration.seconds(30)

    /// The defaults.
    public init() {}

    /// How long a tunnel may go without a byte: a peer may ask for less than is configured, never for more.
    func streamSilence(asked: Duration?) -> Duration? {
        guard let asked else { return self.idle }
        return min(asked, self.idle ?? asked)
    }

    /// The same for a flow of datagrams.
    func datagramSilence(asked: Duration?) -> Duration {
        min(asked ?? self.datagramIdle, self.datagramIdle)
    }
}
