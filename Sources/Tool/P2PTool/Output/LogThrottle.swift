import NIOCore
import P2PCore

/// Lets one log line of a kind through per interval and counts the others, so that a flood of refusals is one line a second.
///
/// A value: time is an argument. Bounded: the kinds beyond the limit share one interval.
struct LogThrottle {
    private var intervals: [String: LogInterval] = [:]
    private let interval: TimeAmount
    private let limit: Int

    /// - Parameter limit: kinds that are told apart.
    init(interval: TimeAmount = .seconds(1), limit: Int = 64) {
        self.interval = interval
        self.limit = limit
    }

    /// Whether to log an event of this kind now.
    ///
    /// - Returns: how many like it were left out since the last line; nil when this one is left out too.
    mutating func admit(_ kind: String, at now: NIODeadline) -> Int? {
        let key = self.intervals[kind] != nil || self.intervals.count < self.limit ? kind : ""
        return self.intervals[key, default: LogInterval(self.interval)].admit(at: now)
    }
}
