import NIOCore
import P2PCore
public import P2PIdentity
public import P2PMultiaddr
public import P2PWebSocket

/// Lets web pages reach services through a WebSocket: what websockify does, for services of peers too. Binary frames carry the bytes; where they begin
/// and end means nothing.
///
/// ```swift
/// var webSockets = WebSockets()
/// webSockets.configuration.handler = TunnelGateway(tunnels, routes: ["/terminal": .local(target)], origins: ["https://pages.example"])
/// ```
public struct TunnelGateway: WebHandler {
    /// Where a path leads.
    public enum Route: Sendable, Hashable {
        /// A program of this machine.
        case local(TunnelEndpoint)
        /// A service of a peer, and where the peer may be: it is dialled there unless it is connected.
        case service(PeerID, TunnelName, at: [Multiaddr] = [])
    }

    /// The sub-protocol of pages that want bytes as they are.
    static let subprotocol = "binary"

    private let tunnels: Tunnels
    private let routes: [String: Route]
    private let origins: Set<String>

    /// - Parameters:
    ///   - routes: by the paths of requests, without a query.
    ///   - origins: of the pages that may, exactly as browsers write them (`https://pages.example`). A request without an origin is no page's, and may not:
    ///     any program of this machine could connect by itself.
    public init(_ tunnels: Tunnels, routes: [String: Route], origins: Set<String>) {
        self.tunnels = tunnels
        self.routes = routes
        self.origins = origins
    }

    /// Answers requests for the paths that it knows, and leaves the others alone.
    public func reply(to request: WebRequest) async -> WebReply? {
        guard let route = self.routes[request.path] else { return nil }
        guard let origin = request.field("origin"), self.origins.contains(origin) else {
            return Self.refusal(403, "origin \(Self.shown(request.field("origin"))) is not allowed")
        }
        guard request.wantsWebSocket else { return Self.refusal(426, "this is for WebSockets", [("Upgrade", "websocket")]) }
        do {
            let stream = try await self.open(route)
            let isBinary = request.offers(subprotocol: Self.subprotocol)
            return .webSocket(fields: isBinary ? Self.fields([("Sec-WebSocket-Protocol", Self.subprotocol)]) : []) { page in
                try await Self.join(page, stream)
            }
        } catch {
            return Self.refusal(502, error.code == .denied ? "permission denied" : "the service does not answer")
        }
    }

    private func open(_ route: Route) async throws(TunnelError) -> PeerStream {
        switch route {
        case .local(let target): try await LocalStream.connect(to: target, self.tunnels.configuration)
        case .service(let peer, let name, let addresses): try await self.tunnels.open(name, at: peer, addresses: addresses)
        }
    }

    /// Joins a page with a stream, until either is over: WebSockets have no half-close.
    static func join(_ page: WebByteStream, _ stream: PeerStream) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await bytes in page.inbound { try await Self.pass(bytes, to: stream) }
                try await stream.finish()
            }
            group.addTask {
                while let bytes = try await stream.read() { try await page.outbound.write(bytes) }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private static func pass(_ bytes: ByteBuffer, to stream: PeerStream) async throws(StreamError) {
        do throws(StreamError) {
            try await stream.write(bytes)
        } catch {
            // Nobody hears it, but where the peer has said its end, the page may not have all that was said to it yet.
            guard stream.muxed.inbound.isFinished else { throw error }
        }
    }

    private static func refusal(_ status: Int, _ text: String, _ fields: [(String, String)] = []) -> WebReply {
        .response(
            status: status, fields: self.fields(fields + [("Content-Type", "text/plain; charset=utf-8")]),
            content: ByteBuffer(string: text + "\n"))
    }

    private static func fields(_ fields: [(String, String)]) -> [WebSocketHeaderField] {
        fields.compactMap { WebSocketHeaderField($0.0, $0.1) }
    }

    /// What a page chose, for a message: printable and short.
    private static func shown(_ origin: String?) -> String {
        guard let origin else { return "(none)" }
        return String(String.UnicodeScalarView(origin.unicodeScalars.prefix(80).map { (0x20..<0x7f).contains($0.value) ? $0 : "?" }))
    }
}
