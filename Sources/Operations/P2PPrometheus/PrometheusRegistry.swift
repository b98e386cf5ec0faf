public import CoreMetrics
import Synchronization

/// Keeps metrics for Prometheus, in memory, and writes them in its text format (version 0.0.4): a backend of swift-metrics.
///
/// Counters end in `_total`, durations are histograms in seconds. Bounded: there are at most so many series, and what would be one more is counted
/// (``droppedSeries``) and goes nowhere. A label's value is cut at 128 bytes.
public final class PrometheusRegistry: MetricsFactory {
    /// The name of the metric that says how many series found no room.
    public static let droppedSeries = "p2p_metrics_dropped_series_total"

    private struct State {
        var families: [String: Family] = [:]
        var count = 0
        var dropped = 0
    }

    private struct Family {
        let kind: SeriesKind
        var series: [SeriesKey: any Series] = [:]
    }

    /// What is known of a metric before there is any.
    private struct Text {
        var help: String
        var buckets: [Double]
    }

    /// Limits of histograms in seconds, from half a millisecond to an hour.
    public static let defaultBuckets = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600,
    ]

    private let maximumSeries: Int
    private let texts = Mutex<[String: Text]>([:])
    private let state = Mutex(State())

    /// An empty registry.
    ///
    /// - Parameter maximumSeries: how many there may be, of all metrics together.
    public init(maximumSeries: Int = 8_192) {
        self.maximumSeries = maximumSeries
    }

    /// Says what a metric is, for people; before it is made, also the upper limits of its buckets.
    public func describe(_ name: String, _ help: String, buckets: [Double] = PrometheusRegistry.defaultBuckets) {
        self.texts.withLock { $0[PrometheusText.name(name)] = Text(help: help, buckets: buckets.sorted()) }
    }

    // MARK: Series

    private func series<Made: Series>(
        _ name: String, _ dimensions: [(String, String)], _ kind: SeriesKind, make: (_ buckets: [Double]) -> Made
    ) -> Made {
        let name = PrometheusText.name(name, of: kind)
        let key = SeriesKey(dimensions)
        let buckets = self.texts.withLock { $0[name]?.buckets } ?? Self.defaultBuckets
        return self.state.withLock { state -> Made in
            var family = state.families[name] ?? Family(kind: kind)
            if let known = family.series[key] as? Made { return known }
            let series = make(buckets)
            // Another kind by the same name would make a page that nobody reads.
            guard family.kind == kind, state.count < self.maximumSeries else {
                state.dropped += 1
                return series
            }
            family.series[key] = series
            state.families[name] = family
            state.count += 1
            return series
        }
    }

    /// A counter.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        self.series(label, dimensions, .counter) { _ in CounterSeries() }
    }

    /// A counter of fractions.
    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        self.series(label, dimensions, .counter) { _ in CounterSeries() }
    }

    /// A gauge.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        self.series(label, dimensions, .gauge) { _ in GaugeSeries() }
    }

    /// A histogram, or without `aggregate` a gauge.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return self.series(label, dimensions, .gauge) { _ in GaugeSeries() } }
        return self.series(label, dimensions, .histogram) { HistogramSeries(buckets: $0) }
    }

    /// A histogram in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        self.series(label, dimensions, .duration) { HistogramSeries(buckets: $0) }
    }

    /// Forgets it.
    public func destroyCounter(_ handler: any CounterHandler) { self.forget(handler) }
    /// Forgets it.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { self.forget(handler) }
    /// Forgets it.
    public func destroyMeter(_ handler: any MeterHandler) { self.forget(handler) }
    /// Forgets it.
    public func destroyRecorder(_ handler: any RecorderHandler) { self.forget(handler) }
    /// Forgets it.
    public func destroyTimer(_ handler: any TimerHandler) { self.forget(handler) }

    private func forget(_ handler: AnyObject) {
        self.state.withLock { state in
            for (name, family) in state.families {
                guard let key = family.series.first(where: { $0.value === handler })?.key else { continue }
                state.families[name]?.series[key] = nil
                if state.families[name]?.series.isEmpty == true { state.families[name] = nil }
                state.count -= 1
                return
            }
        }
    }

    // MARK: Writing

    /// How many series there are.
    public var seriesCount: Int { self.state.withLock { $0.count } }

    /// Everything as it is now, in Prometheus' text format: metrics in the order of their names, series in that of their labels.
    public func text() -> String {
        let (families, dropped) = self.state.withLock { ($0.families, $0.dropped) }
        let texts = self.texts.withLock { $0 }
        var page = PrometheusText()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            page.begin(name, texts[name]?.help ?? "\(name), which nobody has described.", family.kind)
            for (key, series) in family.series.sorted(by: { $0.key < $1.key }) { series.write(name, key, to: &page) }
        }
        page.begin(Self.droppedSeries, "Series that found no room, or had the name of another kind.", .counter)
        page.line(Self.droppedSeries, SeriesKey([]), Double(dropped))
        return page.text
    }
}
