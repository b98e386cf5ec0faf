import NIOCore

/// Whom to wake when, for times that need not be exact: thousands of idle connections share a few moments in which they are woken
/// together, where each would have had a timer of its own. A value.
struct QUICWheel<Entry> {
    /// Between two moments. Nobody is woken before their time, nor this much after it.
    static var grain: TimeAmount { .milliseconds(250) }
    /// Times that are nearer want a timer of their own.
    static var threshold: TimeAmount { .seconds(1) }

    /// Counted in ``grain`` since the beginning of time.
    typealias Moment = UInt64

    private var entries: [Moment: [Entry]] = [:]

    /// Those who wait.
    var count: Int { self.entries.values.reduce(0) { $0 + $1.count } }

    static func moment(for deadline: NIODeadline) -> Moment {
        let grain = UInt64(Self.grain.nanoseconds)
        return deadline.uptimeNanoseconds / grain + (deadline.uptimeNanoseconds % grain == 0 ? 0 : 1)
    }

    static func time(of moment: Moment) -> NIODeadline {
        .uptimeNanoseconds(moment.multipliedReportingOverflow(by: UInt64(Self.grain.nanoseconds)).partialValue)
    }

    mutating func add(_ entry: Entry, at moment: Moment) {
        self.entries[moment, default: []].append(entry)
    }

    /// Takes out those who are to be woken now, no more than `limit`.
    mutating func take(upTo limit: Int, at now: NIODeadline) -> [(moment: Moment, entry: Entry)] {
        var taken: [(moment: Moment, entry: Entry)] = []
        while taken.count < limit, let moment = self.entries.keys.min(), Self.time(of: moment) <= now {
            guard var waiting = self.entries.removeValue(forKey: moment) else { break }
            let count = min(limit - taken.count, waiting.count)
            for entry in waiting.suffix(count) { taken.append((moment, entry)) }
            waiting.removeLast(count)
            if !waiting.isEmpty { self.entries[moment] = waiting }
        }
        return taken
    }

    /// When to look next; nil when nobody waits.
    var next: NIODeadline? { self.entries.keys.min().map { Self.time(of: $0) } }
}
