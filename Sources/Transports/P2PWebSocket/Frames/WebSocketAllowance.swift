import NIOCore
import P2PCore

/// Counts frames that carry nothing; too many in a window of time are an offence.
struct WebSocketAllowance {
    private var windowEnd: NIODeadline?
    private var count = 0

    /// Counts one.
    mutating func spend(at now: NIODeadline) throws(WebSocketError) {
        if let end = self.windowEnd, now < end {
            self.count += 1
        } else {
            self.windowEnd = now + WebSocketLimits.idleFramesWindow
            self.count = 1
        }
        guard self.count <= WebSocketLimits.idleFrames else {
            let seconds = WebSocketLimits.idleFramesWindow.nanoseconds / 1_000_000_000
            throw WebSocketError(
                .rateLimited, "more than \(WebSocketLimits.idleFrames) frames within \(seconds) s carried nothing")
        }
    }
}
