import NIOCore

/// What the session knows of one live stream.
struct MplexStreamState: Sendable {
    /// Ours, and the peer has not heard of it.
    var isUnannounced = false
    /// We have sent a close.
    var isSendFinished = false
    /// The peer has sent a close.
    var isReceiveFinished = false
    /// When our side stopped reading, if it did.
    var stoppedReading: NIODeadline?
    /// Bytes that came after that, with our own direction finished too.
    var discarded = 0
    /// Bytes that waited for the reader when we last looked.
    var unread = 0
    /// The fewest bytes that waited since the connection began to wait for this reader; nil while it does not.
    var unreadWhenPaused: Int?
    /// The reader took nothing for too long: nobody waits for it until it has caught up.
    var isReaderStuck = false

    /// Whether both directions have ended.
    var isOver: Bool { self.isSendFinished && self.isReceiveFinished }
}
