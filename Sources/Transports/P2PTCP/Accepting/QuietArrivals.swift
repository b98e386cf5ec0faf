import NIOCore
import P2PCore

/// Arrivals that were taken up a short while ago, to know how many of them have shown little.
struct QuietArrivals {
    /// So many are many.
    static let many = 128
    /// Whoever has shown little for so long is no arrival any more, but serves something else, such as an application's requests.
    static let memory = TimeAmount.seconds(10)
    /// How long a count holds.
    static let freshness = TimeAmount.milliseconds(5)

    private struct Entry {
        /// Goes away with the arrival.
        weak var progress: ArrivalProgress?
        let since: NIODeadline
    }

    private var entries: [Entry] = []
    private var nextLook = NIODeadline.uptimeNanoseconds(0)

    mutating func add(_ progress: ArrivalProgress, at now: NIODeadline) {
        self.entries.append(Entry(progress: progress, since: now))
    }

    /// Whether there are many; looks at them now and then.
    mutating func areMany(at now: NIODeadline) -> Bool {
        guard self.entries.count >= Self.many else { return false }
        guard now >= self.nextLook else { return true }
        self.entries.removeAll { entry in
            guard let progress = entry.progress, now - entry.since < Self.memory else { return true }
            return progress.stage >= .negotiated
        }
        self.nextLook = now + Self.freshness
        return self.entries.count >= Self.many
    }
}
