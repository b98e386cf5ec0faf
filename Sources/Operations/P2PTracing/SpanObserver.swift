import P2PCore
import P2PIdentity
import P2PMultiaddr
import Tracing

/// Begins a span for each piece of work.
struct SpanObserver: HostObserver {
    let tracer: (any Tracer)?

    func began(_ work: HostWork, within parent: (any WorkObserver)?) -> (any WorkObserver)? {
        let tracer = self.tracer ?? InstrumentationSystem.tracer
        if tracer is NoOpTracer { return nil }
        let context = (parent as? SpannedWork)?.span.context ?? ServiceContext.current ?? .topLevel
        let span = tracer.startAnySpan(work.spanName, context: context, ofKind: work.spanKind)
        span.updateAttributes { work.describe(in: &$0) }
        return SpannedWork(span: span)
    }

    func connected(_ connection: ConnectionInfo) {}
    func disconnected(_ connection: ConnectionInfo, reason: ConnectionError, traffic: ConnectionTraffic) {}
}

/// A piece of work, and its span.
struct SpannedWork: WorkObserver {
    let span: any Tracing.Span

    func ended(_ outcome: WorkOutcome) {
        switch outcome {
        case .done: break
        case .connected(let connection): self.span.updateAttributes { connection.describe(in: &$0) }
        case .failed(let error):
            self.span.recordError(error)
            self.span.setStatus(SpanStatus(code: .error))
        }
        self.span.end()
    }

    func perform(_ body: () async throws -> Void) async throws {
        try await ServiceContext.withValue(self.span.context) { try await body() }
    }
}

extension HostWork {
    var spanName: String {
        switch self {
        case .dial: "p2p.dial"
        case .attempt: "p2p.dial.address"
        case .arrival: "p2p.arrival"
        case .step(.connecting): "p2p.upgrade.connect"
        case .step(.preparing): "p2p.upgrade.prepare"
        case .step(.agreeingOnSecurity): "p2p.upgrade.agree_security"
        case .step(.securing): "p2p.upgrade.secure"
        case .step(.agreeingOnMuxer): "p2p.upgrade.agree_muxer"
        case .opening: "p2p.stream.open"
        case .serving: "p2p.stream.serve"
        }
    }

    var spanKind: SpanKind {
        switch self {
        case .dial, .attempt, .opening: .client
        case .arrival, .serving: .server
        default: .internal
        }
    }

    func describe(in attributes: inout SpanAttributes) {
        switch self {
        case .dial(let peer): attributes["p2p.peer"] = peer?.description
        case .attempt(let address): attributes["p2p.address"] = address.description
        case .arrival(let remote, let local):
            attributes["p2p.address"] = remote.description
            attributes["p2p.local_address"] = local.description
        case .step(.securing(let protocolID)): attributes["p2p.security"] = protocolID.name
        case .opening(let protocols, let connection):
            attributes["p2p.protocol"] = protocols.map(\.name).joined(separator: " ")
            connection.describe(in: &attributes)
        case .serving(let protocolID, let connection):
            attributes["p2p.protocol"] = protocolID.name
            connection.describe(in: &attributes)
        default: break
        }
    }
}

extension ConnectionInfo {
    /// The id is what the log calls the connection.
    func describe(in attributes: inout SpanAttributes) {
        attributes["p2p.connection"] = self.id.description
        attributes["p2p.peer"] = self.remotePeer.description
        attributes["p2p.security"] = self.security.name
        attributes["p2p.muxer"] = self.muxer.name
    }
}
