import NIOCore
import P2P
import P2PPortMapping
import P2PSockets
import P2PWebSocket
import Synchronization

/// What a listener is while it runs.
final class WebSocketListenerCore: Sendable {
    private struct State {
        var readyState = SocketReadyState.connecting
        var hasIterator = false
    }

    let opened = Outcome<SocketEndpoints>()
    let closed = Outcome<Void>()
    let arrivals: AsyncStream<WebSocketConnection>
    let mapping: PortMapping?

    private let arrival: AsyncStream<WebSocketConnection>.Continuation
    private let ending = Outcome<Void>()
    private let address: Multiaddr
    private let options: WebSocketListenerOptions
    private let state = Mutex(State())

    init(_ address: Multiaddr, _ options: WebSocketListenerOptions) {
        self.address = address
        self.options = options
        self.mapping = options.mapping.map { PortMapping($0) }
        // No more wait than are served, and those are bounded.
        (self.arrivals, self.arrival) = AsyncStream.makeStream()
    }

    var readyState: SocketReadyState { self.state.withLock { $0.readyState } }

    /// Whether this is the first who asks.
    func claimIterator() -> Bool {
        self.state.withLock { state in
            defer { state.hasIterator = true }
            return !state.hasIterator
        }
    }

    func close() {
        self.become(.closing)
        self.ending.settle(.success(()))
    }

    private func become(_ next: SocketReadyState) { self.state.withLock { $0.readyState = max($0.readyState, next) } }

    func run() async {
        var outcome = Result<Void, SocketError>.success(())
        do {
            try await self.serve()
        } catch let error as TransportError {
            outcome = .failure(Self.error(error))
        } catch {
            outcome = .failure(SocketError(.network, "\(error)"))
        }
        self.opened.settle(outcome.flatMap { .failure(SocketError(.closed, "the listener was closed")) })
        self.arrival.finish()
        self.become(.closed)
        self.closed.settle(outcome)
    }

    private func serve() async throws {
        var webSocket = WebSocketConfiguration()
        webSocket.allowedOrigins = self.options.origins
        webSocket.tls = self.options.tls
        webSocket.limits = self.options.limits
        webSocket.handler = Handler(core: self)
        var configuration = StandardConfiguration()
        configuration.transports = [TCP(), WebSockets(webSocket)]
        let modules: [any HostModule] = self.mapping.map { [$0] } ?? []
        let host = try await PeerHost.standard(configuration: configuration, modules: modules)
        try await host.running { host in
            let bound = try await host.listen(on: self.address)
            let endpoint = bound.first?.tcpEndpoint
            self.become(.open)
            self.opened.settle(
                .success(SocketEndpoints(localAddress: bound.first?.ipAddress.map { "\($0)" } ?? "", localPort: Int(endpoint?.port ?? 0))))
            try? await self.ending.value()
            self.arrival.finish()
        }
    }

    private static func error(_ error: TransportError) -> SocketError {
        let code: SocketError.Code =
            switch error.code {
            case .addressInUse: .addressInUse
            case .familyMissing, .unreachable: .unreachable
            default: .network
            }
        return SocketError(code, error.message)
    }

    /// Answers what is asked for on the port.
    private struct Handler: WebHandler {
        let core: WebSocketListenerCore

        func reply(to request: WebRequest) async -> WebReply? {
            let options = self.core.options
            guard options.path == nil || options.path == request.path else { return .response(status: 404) }
            guard request.wantsWebSocket else {
                return .response(status: 426, fields: [WebSocketHeaderField("Upgrade", "websocket")].compactMap { $0 })
            }
            let agreed = options.subprotocol.flatMap { name in
                request.offers(subprotocol: name) ? WebSocketHeaderField("Sec-WebSocket-Protocol", name) : nil
            }
            return .webSocket(fields: [agreed].compactMap { $0 }) { stream in
                let (ending, end) = self.hand(on: stream, request, hasSubprotocol: agreed != nil)
                try? await ending.value()
                end(ending.result ?? .success(()))
            }
        }

        /// Hands a connection to whoever iterates; letting go of it ends it.
        private func hand(
            on stream: WebByteStream, _ request: WebRequest, hasSubprotocol: Bool
        ) -> (Outcome<Void>, @Sendable (Result<Void, SocketError>) -> Void) {
            let connection = WebSocketConnection(
                stream, target: request.target, remoteAddress: request.remoteAddress, hasSubprotocol: hasSubprotocol)
            stream.closed.whenComplete { [weak connection] _ in connection?.isCut() }
            if case .terminated = self.core.arrival.yield(connection) { connection.close() }
            return (connection.ending, { [weak connection] in connection?.isGone($0) })
        }
    }
}
