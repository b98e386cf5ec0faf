import NIOCore

/// Lets one log line of a kind through per interval and counts the others, so that a flood of refusals is one line a second.
///
/// A value: time is an argument. Bounded: the kinds beyond the limit share one budget.
struct LogThrottle {
    private struct Budget {
        var nextAt: NIODeadline
        var suppressed = 0
    }

    private var budgets: [String: Budget] = [:]
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
        let key = self.budgets[kind] != nil || self.budgets.count < self.limit ? kind : ""
        guard var budget = self.budgets[key] else {
            self.budgets[key] = Budget(nextAt: now + self.interval)
            return 0
        }
        guard now >= budget.nextAt else {
            budget.suppressed += 1
            self.budgets[key] = budget
            return nil
        }
        self.budgets[key] = Budget(nextAt: now + self.interval)
        return budget.suppressed
    }
}
