public import P2PCore

/// Why there is no tunnel.
public typealias TunnelError = CodedFailure<Tunnels>

extension TunnelError.Code {
    /// The peer does not serve it, or not to this node: it says no more.
    public static var denied: Self { Self("denied") }
    /// What was asked for makes no sense to the side that was asked.
    public static var badRequest: Self { Self("badRequest") }
    /// The target's name has no address.
    public static var unresolvable: Self { Self("unresolvable") }
    /// No network leads to the target.
    public static var unreachable: Self { Self("unreachable") }
    /// The target's host refuses the connection.
    public static var refused: Self { Self("refused") }
    /// Nobody answered in time.
    public static var timedOut: Self { Self("timedOut") }
    /// A limit of the side that was asked was reached.
    public static var busy: Self { Self("busy") }
    /// The side that was asked has no tunnels of that network.
    public static var unsupported: Self { Self("unsupported") }
    /// The side that was asked failed for a reason of its own.
    public static var failed: Self { Self("failed") }
    /// A service of that name is served already.
    public static var nameTaken: Self { Self("nameTaken") }
    /// The local end can't be bound; the message says why.
    public static var notBound: Self { Self("notBound") }
    /// The peer can't be reached.
    public static var peerUnreachable: Self { Self("peerUnreachable") }
    /// The host does not run, or not any more.
    public static var notRunning: Self { Self("notRunning") }
    /// The peer reset the stream before it said whether it serves it: it may not, or be at a limit.
    public static var unanswered: Self { Self("unanswered") }
    /// The connection to the peer was lost under the tunnel; the message says why, such as a relay's limit that was reached.
    public static var connectionLost: Self { Self("connectionLost") }
    /// An end of the tunnel was reset or lost.
    public static var broken: Self { Self("broken") }
}

extension TunnelError {
    /// What the failure of a stream says of its tunnel.
    init(streamFailure error: StreamError) {
        switch (error.code, error.resetCode) {
        case (.protocolNotSupported, _), (.gated, _), (_, .gated?):
            self.init(.denied, "the peer does not serve it, or not to this node", cause: error)
        case (.resourceLimit, _), (_, .resourceLimitExceeded?): self.init(.busy, "a limit was reached", cause: error)
        case (.reset, _) where error.unanswered != nil:
            self.init(.unanswered, error.unansweredMessage, cause: error)
        case (.timedOut, _): self.init(.timedOut, "the peer did not answer in time", cause: error)
        case (.connectionLost, _) where error.cause is DialError:
            self.init(.peerUnreachable, "there is no connection to the peer", cause: error)
        case (.connectionLost, _): self.init(.connectionLost, "the connection to the peer was lost: \(error.message)", cause: error)
        default: self.init(.broken, "the stream was reset or lost", cause: error)
        }
    }
}

extension StreamError {
    /// What a reset means that came in place of the answer, and what to do.
    package var unansweredMessage: String {
        "\(self.message): it may not serve that, or have reached a limit. "
            + "Ask again without sending anything at first, so that it can say which"
    }
}
