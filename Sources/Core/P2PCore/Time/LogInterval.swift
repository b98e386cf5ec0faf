package import NIOCore

/// Lets one log line through per interval and counts the others, so that a flood of what is worth a line is no flood of lines.
///
/// A value: time is an argument.
package struct LogInterval: Sendable {
    private let length: TimeAmount
    private var nextAt: NIODeadline?
    private var suppressed = 0

    /// - Parameter length: from one line to the next, at least.
    package init(_ length: TimeAmount) {
        self.length = length
    }

    /// Whether to log now.
    ///
    /// - Returns: how many lines were left out since the last; nil when this one is left out too.
    package mutating func admit(at now: NIODeadline) -> Int? {
        if let nextAt = self.nextAt, now < nextAt {
            self.suppressed &+= 1
            return nil
        }
        defer { self.suppressed = 0 }
        self.nextAt = now + self.length
        return self.suppressed
    }
}
