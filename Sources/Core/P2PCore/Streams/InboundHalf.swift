import NIOCore

/// The half of a stream that the peer writes: bytes that wait for the reader, and the credit for those that it has consumed.
struct InboundHalf: ~Copyable {
    private enum Reading {
        case open
        /// Nobody will read any more, and the muxer is to say so.
        case stopping
        case stopped
        /// What waited was let go of: this side has reset the stream, or its connection was closed for what it held.
        case reset
    }

    private var bytes = ByteQueue()
    /// Where a task waits for bytes.
    var reader = WaitSlot.free
    /// Bytes whose credit is to be returned. Below zero after bytes were put back whose credit has been returned already.
    private var consumed = 0
    /// What of ``consumed`` is worth being returned.
    var creditThreshold: Int
    /// Whether credit is still worth something when the peer has finished: it is where streams share a window.
    private let creditsToTheEnd: Bool
    private var reading = Reading.open
    /// The peer has said all that it will.
    private(set) var isFinished = false

    init(creditThreshold: Int, creditsToTheEnd: Bool) {
        self.creditThreshold = creditThreshold
        self.creditsToTheEnd = creditsToTheEnd
    }

    /// Bytes that wait for the reader.
    var count: Int { self.bytes.count }
    /// Whether this side has said that it reads no more.
    var isStopped: Bool { self.reading == .stopping || self.reading == .stopped }
    /// Whether the reader has had everything. What a peer finished is whole, whatever became of the connection since.
    var isAtEnd: Bool { self.isFinished && self.reading != .reset }

    private var isCreditWelcome: Bool { !self.isFinished || self.creditsToTheEnd }
    /// Whether enough was consumed to call the muxer for it.
    var isCreditDue: Bool { self.isCreditWelcome && self.consumed >= self.creditThreshold }

    // MARK: The reader

    mutating func take(upTo limit: Int) -> ByteBuffer? {
        guard let bytes = self.bytes.take(upTo: limit) else { return nil }
        self.consumed += bytes.readableBytes
        return bytes
    }

    /// Puts bytes back. They are counted once more when they are read again, or the window would grow with each message that shares a
    /// buffer with the next.
    mutating func unread(_ bytes: ByteBuffer) {
        guard self.reading == .open else { return }
        self.bytes.prepend(bytes)
        self.consumed -= bytes.readableBytes
    }

    /// Reads no more; true when the muxer is to say so.
    mutating func stop() -> Bool {
        let dropped = self.bytes.removeAll()
        self.reading = self.isFinished ? .stopped : .stopping
        if !self.isFinished { self.consumed += dropped }
        return !self.isFinished
    }

    /// Lets go of what waits: nobody is to take it for all that the peer said.
    mutating func reset() {
        self.bytes.removeAll()
        if self.reading == .open { self.reading = .reset }
    }

    // MARK: The peer

    /// - Parameter isSaving: memory is scarce, so that what waits is to take no more than it holds.
    mutating func append(_ bytes: ByteBuffer, isSaving: Bool) {
        // Also for a reader that waits: on a busy loop it is long until it runs.
        if isSaving { self.bytes.appendSaving(bytes) } else { self.bytes.append(bytes) }
    }

    /// Bytes that stood before the application's were consumed.
    mutating func consumedPrelude(_ count: Int) { self.consumed += count }

    mutating func finish() { self.isFinished = true }

    // MARK: The muxer

    /// Credit that is to be returned now.
    mutating func takeCredit() -> Int {
        guard self.isCreditWelcome, self.consumed > 0, self.isStopped || self.consumed >= self.creditThreshold else { return 0 }
        defer { self.consumed = 0 }
        return self.consumed
    }

    /// Whether the muxer is to say that nobody reads any more; true once.
    mutating func takeStop() -> Bool {
        guard self.reading == .stopping else { return false }
        self.reading = .stopped
        return true
    }
}
