import CoreMetrics
import P2PMetrics
import P2PMultiaddr
import P2PPrometheus

/// The metrics of a node and of its process, for Prometheus.
struct NodeMetrics: Sendable {
    private let options: MetricsOptions.Place
    private let names: [String]
    private let registry: PrometheusRegistry
    /// Joins the node's host.
    let module: HostMetrics
    private let process: ProcessGauges

    /// - Returns: nil where nobody asked for metrics.
    init?(_ options: MetricsOptions) {
        guard let place = options.metrics else { return nil }
        self.options = place
        self.names = options.metricsName
        let registry = PrometheusRegistry()
        for metric in HostMetrics.catalogue + ProcessGauges.catalogue { registry.describe(metric.name, metric.help) }
        self.registry = registry
        self.module = HostMetrics(factory: registry)
        self.process = ProcessGauges(registry)
    }

    /// Opens the port; what is asked there is answered until it is closed.
    ///
    /// - Throws: `ToolError` with the code `metricsFailed`.
    func open() async throws -> MetricsEndpoint {
        var configuration = MetricsEndpoint.Configuration()
        configuration.names = self.names
        do {
            return try await MetricsEndpoint.open(
                host: self.options.ip.description, port: Int(self.options.port), configuration: configuration
            ) { self.page() }
        } catch {
            throw ToolError("metricsFailed", "metrics can't be shown at \(self.options.ip) port \(self.options.port): \(error)")
        }
    }

    private func page() -> String {
        self.module.sample()
        self.process.sample()
        return self.registry.text()
    }
}
