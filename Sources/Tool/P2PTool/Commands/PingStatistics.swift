/// The round trips of a series of pings.
struct PingStatistics {
    /// Round trips that the median is taken over, the latest ones; so that a series without end has bounded memory.
    static let sampleLimit = 65_536

    private(set) var sent: UInt = 0
    private(set) var received: UInt = 0
    private var minimum = Duration.zero
    private var maximum = Duration.zero
    private var samples: [Duration] = []

    /// The extremes and the median of a series.
    struct Times: Equatable {
        let minimum: Duration
        let median: Duration
        let maximum: Duration
    }

    /// Counts a ping: with its round trip, or nil when it was lost.
    mutating func note(_ roundTrip: Duration?) {
        self.sent += 1
        guard let roundTrip else { return }
        self.minimum = self.received == 0 ? roundTrip : min(self.minimum, roundTrip)
        self.maximum = max(self.maximum, roundTrip)
        if self.samples.count < Self.sampleLimit {
            self.samples.append(roundTrip)
        } else {
            self.samples[Int(self.received % UInt(Self.sampleLimit))] = roundTrip
        }
        self.received += 1
    }

    /// Nil when nothing came back.
    var times: Times? {
        guard self.received > 0 else { return nil }
        let sorted = self.samples.sorted()
        let middle = sorted.count / 2
        let median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        return Times(minimum: self.minimum, median: median, maximum: self.maximum)
    }
}
