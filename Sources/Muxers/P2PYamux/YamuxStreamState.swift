import NIOCore
import P2PCore

/// What the session knows of one live stream.
///
/// Windows outlive the half-close of their direction: the peer may still return credit for what it reads late, and what it may still
/// send is what it may honestly have sent before it heard of our end.
struct YamuxStreamState: Sendable {
    var opening: YamuxOpening
    var send = YamuxSendWindow()
    var receive: YamuxReceiveWindow
    /// What waits for a reader who passes everything on.
    var backlog = PassingBacklog.Share()
    /// We have sent FIN.
    var isSendFinished = false
    /// The peer has sent FIN.
    var isReceiveFinished = false
    /// When our side stopped reading, if it did.
    var stoppedReading: NIODeadline?

    /// A stream that we open.
    static func outbound(at now: NIODeadline) -> YamuxStreamState {
        YamuxStreamState(opening: .unannounced, receive: YamuxReceiveWindow(now: now))
    }

    /// A stream that the peer has opened.
    static func inbound(at now: NIODeadline) -> YamuxStreamState {
        YamuxStreamState(opening: .unacknowledged, receive: YamuxReceiveWindow(now: now))
    }

    /// Whether both directions have ended.
    var isOver: Bool { self.isSendFinished && self.isReceiveFinished }
}
