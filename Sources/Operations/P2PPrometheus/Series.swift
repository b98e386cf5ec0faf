import CoreMetrics
import Synchronization

/// How a series behaves.
enum SeriesKind: Hashable {
    case counter
    case gauge
    case histogram
    /// A histogram in seconds.
    case duration

    /// What the format calls it.
    var typeName: String {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram, .duration: "histogram"
        }
    }
}

/// The labels of a series, in the order of their names.
struct SeriesKey: Hashable, Comparable {
    /// How they stand in the text, without braces; empty for none.
    let text: String

    init(_ dimensions: [(String, String)]) {
        var seen: Set<String> = []
        self.text = dimensions.map { (PrometheusText.label($0.0), $0.1) }
            .filter { seen.insert($0.0).inserted }
            .sorted { $0.0 < $1.0 }
            .map { "\($0.0)=\"\(PrometheusText.value($0.1))\"" }
            .joined(separator: ",")
    }

    static func < (left: SeriesKey, right: SeriesKey) -> Bool { left.text < right.text }
}

/// Something that has a line, or several, on the page.
protocol Series: AnyObject, Sendable {
    func write(_ name: String, _ key: SeriesKey, to page: inout PrometheusText)
}

/// What only grows.
final class CounterSeries: CounterHandler, FloatingPointCounterHandler, Series {
    private let count = Atomic<Int64>(0)
    private let fraction = Mutex(0.0)

    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        self.count.wrappingAdd(amount, ordering: .relaxed)
    }

    func increment(by amount: Double) {
        guard amount.isFinite, amount > 0 else { return }
        self.fraction.withLock { $0 += amount }
    }

    func reset() {
        self.count.store(0, ordering: .relaxed)
        self.fraction.withLock { $0 = 0 }
    }

    func write(_ name: String, _ key: SeriesKey, to page: inout PrometheusText) {
        page.line(name, key, Double(self.count.load(ordering: .relaxed)) + self.fraction.withLock { $0 })
    }
}

/// What goes up and down.
final class GaugeSeries: MeterHandler, RecorderHandler, Series {
    private let current = Mutex(0.0)

    func set(_ value: Int64) { self.set(Double(value)) }
    func set(_ value: Double) { self.current.withLock { $0 = value } }
    func record(_ value: Int64) { self.set(Double(value)) }
    func record(_ value: Double) { self.set(value) }
    func increment(by amount: Double) { self.current.withLock { $0 += amount } }
    func decrement(by amount: Double) { self.current.withLock { $0 -= amount } }

    func write(_ name: String, _ key: SeriesKey, to page: inout PrometheusText) {
        page.line(name, key, self.current.withLock { $0 })
    }
}

/// How often something was how large.
final class HistogramSeries: TimerHandler, RecorderHandler, Series {
    private struct Counts {
        /// Of each bucket alone; the last is for what is larger than all.
        var buckets: [UInt64]
        var sum = 0.0
    }

    /// Upper limits, rising.
    private let limits: [Double]
    private let counts: Mutex<Counts>

    init(buckets limits: [Double]) {
        self.limits = limits
        self.counts = Mutex(Counts(buckets: Array(repeating: 0, count: limits.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { self.record(Double(duration) / 1_000_000_000) }
    func record(_ value: Int64) { self.record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let index = self.limits.firstIndex { value <= $0 } ?? self.limits.count
        self.counts.withLock { counts in
            counts.buckets[index] += 1
            counts.sum += value
        }
    }

    func write(_ name: String, _ key: SeriesKey, to page: inout PrometheusText) {
        let counts = self.counts.withLock { $0 }
        var total: UInt64 = 0
        for (index, count) in counts.buckets.enumerated() {
            total += count
            let limit = index < self.limits.count ? PrometheusText.number(self.limits[index]) : "+Inf"
            page.line(name + "_bucket", key, Double(total), further: "le=\"\(limit)\"")
        }
        page.line(name + "_sum", key, counts.sum)
        page.line(name + "_count", key, Double(total))
    }
}
