public import P2PCore
public import Tracing

/// Spans of what a host does, for whatever backend swift-distributed-tracing is given: dials, their addresses and arrivals with the steps of their
/// handshakes, streams that are opened and served. Without this module, and without a backend, nothing is done for it.
///
/// A dial and a stream that is opened are parts of the span of the task that asked; a handler runs within the span of its stream, so that its own spans
/// are parts of that.
///
/// ```swift
/// InstrumentationSystem.bootstrap(…)
/// let host = try await PeerHost.standard(modules: .standard.adding(HostTracing()))
/// ```
public struct HostTracing: HostModule {
    private let tracer: (any Tracer)?

    /// - Parameter tracer: where spans go; nil asks for the process' own each time (`InstrumentationSystem`).
    public init(tracer: (any Tracer)? = nil) {
        self.tracer = tracer
    }

    /// Observes the host.
    public func join(_ plan: inout HostPlan) {
        plan.observers.append(SpanObserver(tracer: self.tracer))
    }
}
