/// What may still arrive for streams that this side has forgotten, because the peer did not know yet.
///
/// A stream that is reset with credit left leaves that much data in flight; crossing window updates and resets are few for each stream.
/// Whatever goes beyond is a stream error.
struct YamuxStrayAllowance: Sendable {
    /// Frames without data that one forgotten stream excuses.
    static let framesPerStream = 8
    /// Where ``frames`` stops growing.
    static let maximumFrames = 4096

    private(set) var bytes: UInt64 = 0
    private(set) var frames = 0

    /// A stream is gone on which the peer held this much credit.
    mutating func forgot(credit: UInt32) {
        let (sum, overflow) = self.bytes.addingReportingOverflow(UInt64(credit))
        self.bytes = overflow ? .max : sum
        self.frames = min(self.frames + Self.framesPerStream, Self.maximumFrames)
    }

    /// Whether a frame with this much data is excused.
    mutating func excuses(dataLength: UInt32) -> Bool {
        if dataLength > 0 {
            guard self.bytes >= UInt64(dataLength) else { return false }
            self.bytes -= UInt64(dataLength)
            return true
        }
        guard self.frames > 0 else { return false }
        self.frames -= 1
        return true
    }
}
