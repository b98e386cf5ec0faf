import NIOCore

/// What the session knows of one live stream.
struct YamuxStreamState: Sendable {
    var send = YamuxSendWindow()
    var receive: YamuxReceiveWindow
    /// SYN or ACK that our next frame carries.
    var greeting: YamuxFlags
    /// Ours, and the peer has not reacted yet.
    var isUnanswered: Bool
    /// We have sent FIN.
    var isSendFinished = false
    /// The peer has sent FIN.
    var isReceiveFinished = false
    /// When our side stopped reading, if it did.
    var stoppedReading: NIODeadline?

    /// A stream that we open.
    static func outbound(at now: NIODeadline) -> YamuxStreamState {
        YamuxStreamState(receive: YamuxReceiveWindow(now: now), greeting: .syn, isUnanswered: true)
    }

    /// A stream that the peer has opened.
    static func inbound(at now: NIODeadline) -> YamuxStreamState {
        YamuxStreamState(receive: YamuxReceiveWindow(now: now), greeting: .ack, isUnanswered: false)
    }

    /// Whether both directions have ended.
    var isOver: Bool { self.isSendFinished && self.isReceiveFinished }
}
