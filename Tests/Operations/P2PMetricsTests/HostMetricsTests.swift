import CoreMetrics
import P2PCore
import P2PHost
import P2PMultiaddr
import P2PPrometheus
import P2PSwarm
import P2PTesting
import Testing

@testable import P2PMetrics

@Suite("The metrics of a host", .timeLimit(.minutes(1)))
struct HostMetricsTests {
    /// What a host's metrics are at a moment, by their lines.
    private struct Page {
        let lines: [String: Double]

        subscript(line: String) -> Double? { self.lines[line] }
        /// The names of the metrics, without what histograms put behind them.
        var names: Set<String> {
            Set(
                self.lines.keys.map { line in
                    var name = String(line.prefix { $0 != "{" })
                    for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix("_seconds" + suffix) { name.removeLast(suffix.count) }
                    return name
                })
        }
    }

    private let registry = PrometheusRegistry()
    private let metrics: HostMetrics

    init() { self.metrics = HostMetrics(factory: self.registry) }

    private func page() -> Page {
        self.metrics.sample()
        var lines: [String: Double] = [:]
        for line in self.registry.text().split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            lines[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return Page(lines: lines)
    }

    private static func serveEcho(on host: PeerHost) throws {
        try host.serve("/echo/test") { stream, _ in
            while let bytes = try await stream.read() { try await stream.write(bytes) }
        }
    }

    private static func exchange(_ bytes: Int, _ host: PeerHost, with other: PeerHost) async throws {
        let stream = try await host.openStream(to: other.peerID, protocols: ["/echo/test"])
        try await stream.write(text: String(repeating: "x", count: bytes))
        try await stream.finish()
        while try await stream.read() != nil {}
    }

    @Test("Connections, dials, streams and bytes are the true ones")
    func trueNumbers() async throws {
        try await withWorld(seed: 11, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await world.host(self.metrics)
            let b = try await world.host()
            try Self.serveEcho(on: a)
            try Self.serveEcho(on: b)
            _ = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            try await world.perform {
                for _ in 0..<3 { try await Self.exchange(1_000, a, with: b) }
                try await Self.exchange(100_000, b, with: a)
            }
            try await world.run(for: .seconds(1))
            var page = self.page()
            let live = "transport=\"tcp\",security=\"world\",muxer=\"world\",direction=\"outbound\""
            let labels = live.split(separator: ",").sorted().joined(separator: ",")
            #expect(page["p2p_connections{\(labels)}"] == 1)
            #expect(page["p2p_connections_opened_total{\(labels)}"] == 1)
            #expect(page["p2p_dials_total{outcome=\"success\",reason=\"none\"}"] == 1)
            #expect(page["p2p_dial_attempts_total{outcome=\"success\",reason=\"none\",transport=\"tcp\"}"] == 1)
            #expect(page["p2p_dial_duration_seconds_count{outcome=\"success\"}"] == 1)
            #expect((page["p2p_dial_duration_seconds_sum{outcome=\"success\"}"] ?? 0) >= 0.01, "the way of a link, in the world's time")
            let (inbound, outbound) = ("direction=\"inbound\",protocol=\"/echo/test\"", "direction=\"outbound\",protocol=\"/echo/test\"")
            #expect(page["p2p_streams_opened_total{\(outbound)}"] == 3)
            #expect(page["p2p_streams_opened_total{\(inbound)}"] == 1)
            #expect(page["p2p_streams{\(outbound)}"] == 0)
            #expect(page["p2p_streams{\(inbound)}"] == 0)
            #expect(page["p2p_protocol_bytes_total{\(inbound)}"] == 103_000)
            #expect(page["p2p_protocol_bytes_total{\(outbound)}"] == 103_000)
            #expect(page["p2p_served_stream_duration_seconds_count{protocol=\"/echo/test\"}"] == 1)
            #expect(page["p2p_limit{limit=\"connections\"}"] == Double(a.configuration.limits.connections))
            #expect(page["p2p_limit_use{limit=\"connections\"}"] == 1)

            try await world.perform { await a.disconnect(b.peerID) }
            try await world.run(for: .seconds(1))
            page = self.page()
            #expect(page["p2p_connections{\(labels)}"] == 0)
            #expect(page["p2p_connections_closed_total{direction=\"outbound\",reason=\"closed\",transport=\"tcp\"}"] == 1)
            #expect(page["p2p_connection_duration_seconds_count{direction=\"outbound\",transport=\"tcp\"}"] == 1)
            #expect(page["p2p_limit_use{limit=\"connections\"}"] == 0)
            #expect(page["p2p_limit_peak{limit=\"connections\"}"] == 1)
        }
    }

    @Test("Failures have their reasons")
    func failures() async throws {
        try await withWorld(seed: 12, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await world.host(self.metrics)
            let b = try await world.host()
            try a.serve("/fails") { _, _ in throw StreamError(.malformed, "nonsense") }
            await #expect(throws: DialError.self) {
                try await world.perform {
                    try await a.connect(to: b.peerID, at: [Multiaddr("/ip4/10.99.99.99/tcp/1")], timeout: .seconds(5))
                }
            }
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.perform {
                let stream = try await b.openStream(to: a.peerID, protocols: ["/fails"])
                try? await stream.write(text: "x")
                _ = try? await stream.read()
            }
            await #expect(throws: StreamError.self) {
                try await world.perform {
                    _ = try await a.openStream(to: b.peerID, protocols: ["/unknown/1", "/unknown/2"])
                }
            }
            try await world.run(for: .seconds(1))
            let page = self.page()
            #expect(page.lines.contains { $0.key.hasPrefix("p2p_dials_total{outcome=\"failure\",reason=") && $0.value == 1 })
            #expect(page["p2p_dial_duration_seconds_count{outcome=\"failure\"}"] == 1)
            #expect(page["p2p_arrivals_total{outcome=\"success\",reason=\"none\",transport=\"tcp\"}"] == 1)
            #expect(page["p2p_stream_failures_total{direction=\"inbound\",protocol=\"/fails\",reason=\"malformed\"}"] == 1)
            #expect(
                page["p2p_stream_failures_total{direction=\"outbound\",protocol=\"/unknown/1\",reason=\"protocolNotSupported\"}"] == 1)
        }
    }

    @Test("A peer makes no series, whatever it asks for")
    func closed() async throws {
        try await withWorld(seed: 13, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await world.host(self.metrics)
            let b = try await world.host()
            try Self.serveEcho(on: a)
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.perform { try await Self.exchange(10, b, with: a) }
            try await world.run(for: .seconds(1))
            _ = self.page()
            let before = self.registry.seriesCount
            try await world.perform {
                for number in 0..<100 {
                    let stream = try await b.openStream(to: a.peerID, protocols: [ProtocolID("/made/up/\(number)")])
                    try? await stream.write(text: "x")
                    _ = try? await stream.read()
                }
            }
            try await world.run(for: .seconds(1))
            let page = self.page()
            #expect(self.registry.seriesCount == before)
            #expect(!page.lines.keys.contains { $0.contains("/made/up") })
        }
    }

    @Test("What is exported is what the catalogue has, with its labels")
    func catalogue() async throws {
        try await withWorld(seed: 14, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await world.host(self.metrics)
            let b = try await world.host()
            try Self.serveEcho(on: b)
            _ = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            try await world.perform { try await Self.exchange(10, a, with: b) }
            try await world.run(for: .seconds(20))
            let page = self.page()
            let known = Dictionary(uniqueKeysWithValues: HostMetrics.catalogue.map { ($0.name, $0) })
            #expect(page.names.subtracting(known.keys) == [PrometheusRegistry.droppedSeries])
            for line in page.lines.keys {
                guard let brace = line.firstIndex(of: "{"), let metric = known[String(line[..<brace])] else { continue }
                let labels = line[brace...].dropFirst().dropLast().split(separator: ",").map { String($0.prefix { $0 != "=" }) }
                #expect(labels == metric.labels.sorted(), "\(line)")
            }
            // Gauges and sums are there from the beginning, and so is each that has no labels.
            let bare = HostMetrics.catalogue.filter { $0.labels.isEmpty }.map(\.name)
            #expect(Set(bare).isSubset(of: page.names))
        }
    }

    @Test("Names are those of Prometheus' conventions")
    func conventions() {
        for metric in HostMetrics.catalogue {
            #expect(metric.name.hasPrefix("p2p_"))
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            if metric.kind == .duration { #expect(metric.name.hasSuffix("_duration_seconds")) }
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
        }
        #expect(Set(HostMetrics.catalogue.map(\.name)).count == HostMetrics.catalogue.count)
    }
}
