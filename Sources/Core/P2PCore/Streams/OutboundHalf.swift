import NIOCore

/// The half of a stream that this side writes: bytes that wait to be sent, and the half-close behind them.
struct OutboundHalf: ~Copyable {
    private enum Finish {
        case open
        case requested
        /// The muxer has it.
        case taken
        case left
    }

    private var bytes = ByteQueue()
    /// Where a task waits for room, or for the half-close to leave.
    var writer = WaitSlot.free
    private var finishing = Finish.open

    /// Bytes that wait to be sent.
    var count: Int { self.bytes.count }
    /// Whether this side may still write.
    var isOpen: Bool { self.finishing == .open }
    var hasFinishLeft: Bool { self.finishing == .left }
    /// Whether a writer that was suspended may go on.
    var hasRoom: Bool { self.bytes.count <= StreamBuffer.lowWaterMark }

    /// - Parameter isSaving: memory is scarce, so that what waits is to take no more than it holds. Asked of what takes much more alone.
    mutating func append(_ bytes: ByteBuffer, isSaving: @autoclosure () -> Bool = false) {
        if ByteQueue.hasRoomForMore(bytes), isSaving() { self.bytes.appendSaving(bytes) } else { self.bytes.append(bytes) }
    }

    mutating func finish() { self.finishing = .requested }

    /// The stream has failed: nothing more is sent.
    mutating func removeAll() { self.bytes.removeAll() }

    /// Copies at most `limit` bytes to `record`, and says whether the half-close is due behind them.
    mutating func drain(upTo limit: Int, to record: inout ByteBuffer) -> (copied: Int, finish: Bool) {
        let copied = self.bytes.copy(upTo: limit, to: &record)
        guard self.bytes.isEmpty, self.finishing == .requested else { return (copied, false) }
        self.finishing = .taken
        return (copied, true)
    }

    /// The half-close was written to the transport; false when none was taken.
    mutating func finishLeft() -> Bool {
        guard self.finishing == .taken else { return false }
        self.finishing = .left
        return true
    }
}
