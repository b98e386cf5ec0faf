/// What may still arrive for streams that this side has forgotten, because the peer did not know yet.
///
/// There is no credit that would say how much is on its way, so each stream that we reset excuses a generous number of bytes, and each
/// forgotten stream a few frames without any. Whatever goes beyond is a stream error.
struct MplexStrayAllowance: Sendable {
    /// Frames without data that one forgotten stream excuses.
    static let framesPerStream = 8
    /// Where ``frames`` stops growing.
    static let maximumFrames = 1_024
    /// For how many reset streams at a time ``bytes`` grows.
    static let maximumStreams = 64

    private let bytesPerStream: Int
    private(set) var bytes = 0
    private(set) var frames = 0

    init(bytesPerStream: Int) {
        self.bytesPerStream = bytesPerStream
    }

    /// A stream is gone; `wasReset` when it is our side that ended it, and the peer may be in the middle of sending.
    mutating func forgot(wasReset: Bool) {
        self.frames = min(self.frames + Self.framesPerStream, Self.maximumFrames)
        guard wasReset else { return }
        let (limit, isUnlimited) = self.bytesPerStream.multipliedReportingOverflow(by: Self.maximumStreams)
        let (sum, overflow) = self.bytes.addingReportingOverflow(self.bytesPerStream)
        self.bytes = min(overflow ? .max : sum, isUnlimited ? .max : limit)
    }

    /// Whether a frame with this much data is excused.
    mutating func excuses(dataLength: Int) -> Bool {
        if dataLength > 0 {
            guard self.bytes >= dataLength else { return false }
            self.bytes -= dataLength
            return true
        }
        guard self.frames > 0 else { return false }
        self.frames -= 1
        return true
    }
}
