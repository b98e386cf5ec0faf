import CoreMetrics
import Testing

@testable import P2PPrometheus

@Suite("Prometheus' text format")
struct PrometheusTextTests {
    @Test(
        "Names are what the format takes",
        arguments: [
            ("p2p_dials_total", "p2p_dials_total"), ("http.server.active", "http_server_active"), ("a:b", "a:b"), ("9lives", "_9lives"),
            ("", "_"), ("für", "f__r"), ("a\nb{x=\"1\"} 2", "a_b_x__1___2"),
        ])
    func names(_ name: String, _ expected: String) {
        #expect(PrometheusText.name(name) == expected)
    }

    @Test("Labels hold no colon")
    func labels() {
        #expect(PrometheusText.label("a:b") == "a_b")
    }

    @Test("Counters end in _total, durations in _seconds, and neither twice")
    func suffixes() {
        #expect(PrometheusText.name("hits", of: .counter) == "hits_total")
        #expect(PrometheusText.name("hits_total", of: .counter) == "hits_total")
        #expect(PrometheusText.name("wait", of: .duration) == "wait_seconds")
        #expect(PrometheusText.name("wait_seconds", of: .duration) == "wait_seconds")
        #expect(PrometheusText.name("size", of: .gauge) == "size")
    }

    @Test(
        "Values of labels can't end their quotes or their line",
        arguments: [
            ("/ipfs/ping/1.0.0", "/ipfs/ping/1.0.0"), ("a\"b", "a\\\"b"), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb"),
            ("\"} 1\nx 2", "\\\"} 1\\nx 2"),
        ])
    func values(_ value: String, _ expected: String) {
        #expect(PrometheusText.value(value) == expected)
    }

    @Test("A long value is cut, between characters")
    func longValue() {
        let value = PrometheusText.value(String(repeating: "ä", count: 1_000))
        #expect(value == String(repeating: "ä", count: PrometheusText.maximumValueLength / 2))
    }

    @Test(
        "Numbers",
        arguments: [
            (0.0, "0"), (-3, "-3"), (0.25, "0.25"), (1e18, "1000000000000000000"), (1e300, "1e+300"),
            (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (.nan, "NaN"),
        ])
    func numbers(_ value: Double, _ expected: String) {
        #expect(PrometheusText.number(value) == expected)
    }
}

@Suite("The registry for Prometheus")
struct PrometheusRegistryTests {
    private static let tail = """
        # HELP p2p_metrics_dropped_series_total Series that found no room, or had the name of another kind.
        # TYPE p2p_metrics_dropped_series_total counter
        p2p_metrics_dropped_series_total 0

        """

    @Test("The page, to the letter")
    func page() {
        let registry = PrometheusRegistry()
        registry.describe("hits_total", "Hits, with a \\ and\na line.")
        registry.describe("wait_seconds", "Waiting.", buckets: [1, 0.5])
        let (b, a) = (
            Counter(label: "hits", dimensions: [("to", "b")], factory: registry),
            Counter(label: "hits", dimensions: [("to", "a")], factory: registry)
        )
        a.increment(by: 3)
        b.increment()
        FloatingPointCounter(label: "spent", factory: registry).increment(by: 0.75)
        let depth = Meter(label: "depth", factory: registry)
        depth.set(5)
        depth.decrement(by: 1.5)
        let wait = Timer(label: "wait", factory: registry)
        wait.recordNanoseconds(500_000_000)
        wait.recordNanoseconds(700_000_000)
        wait.recordSeconds(9)
        #expect(
            registry.text() == """
                # HELP depth depth, which nobody has described.
                # TYPE depth gauge
                depth 3.5
                # HELP hits_total Hits, with a \\\\ and\\na line.
                # TYPE hits_total counter
                hits_total{to="a"} 3
                hits_total{to="b"} 1
                # HELP spent_total spent_total, which nobody has described.
                # TYPE spent_total counter
                spent_total 0.75
                # HELP wait_seconds Waiting.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{le="0.5"} 1
                wait_seconds_bucket{le="1"} 2
                wait_seconds_bucket{le="+Inf"} 3
                wait_seconds_sum 10.2
                wait_seconds_count 3

                """ + Self.tail)
    }

    @Test("Labels stand in the order of their names, whoever gives them how, and share a series")
    func order() {
        let registry = PrometheusRegistry()
        Counter(label: "hits", dimensions: [("b", "2"), ("a", "1")], factory: registry).increment()
        Counter(label: "hits", dimensions: [("a", "1"), ("b", "2")], factory: registry).increment()
        #expect(registry.text().contains("hits_total{a=\"1\",b=\"2\"} 2\n"))
        #expect(registry.seriesCount == 1)
    }

    @Test("A name has one kind")
    func kinds() {
        let registry = PrometheusRegistry()
        Meter(label: "depth", factory: registry).set(1)
        Recorder(label: "depth", factory: registry).record(2)
        #expect(registry.text().contains("depth 1\n"))
        #expect(registry.text().contains("\(PrometheusRegistry.droppedSeries) 1\n"))
    }

    @Test("There is no more than so many series")
    func bounded() {
        let registry = PrometheusRegistry(maximumSeries: 10)
        for number in 0..<100 { Counter(label: "hits", dimensions: [("n", "\(number)")], factory: registry).increment() }
        #expect(registry.seriesCount == 10)
        #expect(registry.text().contains("\(PrometheusRegistry.droppedSeries) 90\n"))
    }

    @Test("What is destroyed is gone, and makes room")
    func destroyed() {
        let registry = PrometheusRegistry(maximumSeries: 1)
        let hits = Counter(label: "hits", factory: registry)
        hits.increment()
        hits.destroy()
        #expect(registry.text() == Self.tail)
        Meter(label: "depth", factory: registry).set(1)
        #expect(registry.text().contains("depth 1\n"))
    }

    @Test("A counter only grows")
    func grows() {
        let registry = PrometheusRegistry()
        let hits = Counter(label: "hits", factory: registry)
        hits.increment(by: 2)
        hits.increment(by: -5)
        #expect(registry.text().contains("hits_total 2\n"))
    }
}
