import Logging
import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Synchronization

/// Serves an application's part of a port: one request a connection.
final class WebSite: Sendable {
    /// The shortest time between two lines about arrivals that came to nothing.
    private static let reportInterval = TimeAmount.seconds(1)

    let waiting = Places(WebLimits.waiting)
    private let serving = Places(WebLimits.serving)
    private let handler: (any WebHandler)?
    private let terms: WebSocketAnswer.Terms
    private let logger: Logger
    private let reported = Mutex(LogInterval(WebSite.reportInterval))

    /// - Parameter terms: say whose pages may connect; the path is the application's to look at.
    init(_ handler: (any WebHandler)?, terms: WebSocketAnswer.Terms, logger: Logger) {
        self.handler = handler
        self.terms = terms
        self.logger = logger
    }

    /// Says why an arrival came to nothing, not too often.
    func report(_ reason: String, _ address: Multiaddr) {
        guard self.reported.withLock({ $0.admit(at: .now()) }) != nil else { return }
        self.logger.notice("an arrival came to nothing", metadata: ["address": "\(address)", "reason": "\(reason)"])
    }

    /// Answers a request. The gate still holds its bytes.
    ///
    /// - Parameter orLibp2p: takes a WebSocket that the application leaves; false where libp2p does not want it either.
    func serve(
        _ head: HTTPHead, on bytes: ByteChannel, until deadline: NIODeadline, orLibp2p: () async -> Bool
    ) async throws {
        let wantsWebSocket = head.list("upgrade", has: "websocket")
        if self.handler == nil, wantsWebSocket, await orLibp2p() { return }
        guard self.serving.enter() else {
            // The application's guests keep nobody from libp2p.
            if wantsWebSocket, await orLibp2p() { return }
            throw WebArrivalError(reason: "\(WebLimits.serving) connections are served already")
        }
        var isServing = true
        defer { if isServing { self.serving.leave() } }
        let exchange = WebExchange(bytes, head: head)
        try await exchange.checkOrigin(self.terms)
        // A WebSocket's request has no content, and what follows it is not to be touched before libp2p has declined.
        let content = wantsWebSocket ? ByteBuffer() : try await exchange.readContent(until: deadline)
        let request = try exchange.request(content: content)
        switch await self.handler?.reply(to: request) {
        case .response(let status, let fields, let content):
            try await exchange.respond(status, fields: fields, content: content)
        case .webSocket(let fields, let body):
            try await exchange.becomeWebSocket(fields: fields, body)
        case .upgrade(let token, let fields, let body):
            try await exchange.upgrade(to: token, fields: fields, body)
        case nil:
            if wantsWebSocket {
                isServing = false
                self.serving.leave()
                if await orLibp2p() { return }
            }
            try await exchange.respond(404, fields: [], content: ByteBuffer(string: "404 Not Found\n"))
        }
    }
}
