import CoreMetrics
import Synchronization

/// The instruments of one metric, one for each combination of its labels; made when it is first needed.
final class MetricFamily<Instrument: Sendable>: Sendable {
    private let description: MetricDescription
    private let make: @Sendable (_ name: String, _ dimensions: [(String, String)]) -> Instrument
    private let known = Mutex<[[String]: Instrument]>([:])

    init(
        _ description: MetricDescription, make: @escaping @Sendable (_ name: String, _ dimensions: [(String, String)]) -> Instrument
    ) {
        self.description = description
        self.make = make
    }

    /// The instrument with these values of its labels, in their order.
    subscript(values: String...) -> Instrument { self[values] }

    /// The instrument with these values of its labels, in their order.
    subscript(values: [String]) -> Instrument {
        self.known.withLock { known in
            if let instrument = known[values] { return instrument }
            let instrument = self.make(self.description.name, Array(zip(self.description.labels, values)))
            known[values] = instrument
            return instrument
        }
    }

    /// Every combination that has come up.
    var combinations: [[String]] { self.known.withLock { Array($0.keys) } }
}

extension MetricFamily where Instrument == Counter {
    convenience init(_ description: MetricDescription, _ factory: any MetricsFactory) {
        self.init(description) { Counter(label: $0, dimensions: $1, factory: factory) }
    }
}

extension MetricFamily where Instrument == Meter {
    convenience init(_ description: MetricDescription, _ factory: any MetricsFactory) {
        self.init(description) { Meter(label: $0, dimensions: $1, factory: factory) }
    }

    /// What is counted now. Combinations that came up before and are missing are zero.
    func set(_ counts: [[String]: Int]) {
        for (values, count) in counts { self[values].set(count) }
        for values in self.combinations where counts[values] == nil { self[values].set(0) }
    }
}

extension MetricFamily where Instrument == Timer {
    convenience init(_ description: MetricDescription, _ factory: any MetricsFactory) {
        self.init(description) { Timer(label: $0, dimensions: $1, preferredDisplayUnit: .seconds, factory: factory) }
    }
}

/// Counters of which only the sum is known, now and then: what they have grown by is told.
struct SampledCounters {
    private let counters: MetricFamily<Counter>
    private var last: [[String]: UInt64] = [:]

    init(_ description: MetricDescription, _ factory: any MetricsFactory) {
        self.counters = MetricFamily(description, factory)
    }

    /// The sum is this now. One that seems to have shrunk is waited for: what moved from here to there while it was counted will be back.
    mutating func set(_ sum: UInt64, _ values: [String]) {
        let last = self.last[values]
        guard sum > last ?? 0 || last == nil else { return }
        self.counters[values].increment(by: Int64(clamping: sum - (last ?? 0)))
        self.last[values] = sum
    }
}
