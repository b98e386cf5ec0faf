import Logging
import NIOCore
import P2PCore
import P2PHTTPHead
import P2PMultiaddr
import P2PPipeline
import Synchronization

/// Serves an application's part of a port: one request a connection.
final class WebSite: Sendable {
    /// The shortest time between two lines about arrivals that came to nothing.
    private static let reportInterval = TimeAmount.seconds(1)

    let limits: WebLimits
    private let waiting: ArrivalDoor
    private let serving: Places
    private let handler: (any WebHandler)?
    private let terms: WebSocketAnswer.Terms
    private let gater: (any ConnectionGater)?
    private let proxies: [IPNetwork]
    private let logger: Logger
    private let reported = Mutex(LogInterval(WebSite.reportInterval))

    /// - Parameters:
    ///   - terms: say whose pages may connect; the path is the application's to look at.
    ///   - networks: proxies that are believed, and networks that have places of their own.
    init(
        _ configuration: WebSocketConfiguration, terms: WebSocketAnswer.Terms, gater: (any ConnectionGater)?, networks: KnownNetworks,
        logger: Logger
    ) {
        let limits = configuration.limits
        self.limits = limits
        self.waiting = ArrivalDoor(
            ArrivalTable.Limits(
                "waiting", total: limits.waiting, perAddress: limits.waitingPerAddress, known: limits.waitingAllowed),
            known: networks.allowed + networks.proxies)
        self.serving = Places("serving", limit: limits.serving, perAddress: limits.servingPerAddress)
        self.handler = configuration.handler
        self.terms = terms
        self.gater = gater
        self.proxies = networks.proxies
        self.logger = logger
    }

    /// A place for an arrival that has not said yet what it is.
    func waitingPlace(for bytes: ByteChannel) throws(WebArrivalError) -> PendingPlace {
        do throws(LimitError) {
            return try self.waiting.place(for: bytes.remoteAddress, bytes.progress)
        } catch {
            throw .noPlace(error)
        }
    }

    /// Whether there is a gater that is asked here, and by nobody after that.
    var asksGater: Bool { self.gater != nil }

    /// Throws unless the gater lets the arrival in.
    ///
    /// - Parameter loss: ends the wait.
    func askGater(about address: Multiaddr, until deadline: NIODeadline, unless loss: PlaceLoss? = nil) async throws {
        guard let gater = self.gater else { return }
        switch await HostClock.system.result(
            by: deadline, unless: loss?.signal, late: { _ in }, of: { await gater.mayAccept(from: address) })
        {
        case .granted?: return
        case .refused(let reason)?: throw WebArrivalError(reason: reason ?? "the gater refused it")
        case nil: throw WebArrivalError(reason: "the gater did not decide on it in time")
        }
    }

    /// The same arrival as one of the client's, where a proxy that is believed says whose request it passes on. The gater is asked about
    /// whoever that is.
    func named(_ bytes: ByteChannel, by head: HTTPHead, until deadline: NIODeadline) async throws -> ByteChannel {
        guard let proxy = bytes.remoteAddress.ipAddress, let port = bytes.remoteAddress.tcpEndpoint?.port,
            let client = ForwardedClient.address(in: head, from: proxy, trusting: self.proxies)
        else { return bytes }
        let named = ByteChannel(
            channel: bytes.channel, localAddress: bytes.localAddress, remoteAddress: Multiaddr(ip: client, tcp: port),
            preparations: bytes.preparations, progress: bytes.progress)
        try await self.askGater(about: named.remoteAddress, until: deadline)
        return named
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
        let exchange = WebExchange(bytes, head: head, limits: self.limits)
        if try await self.answer(exchange, wantsWebSocket: wantsWebSocket, until: deadline) { return }
        // Without a place nobody is answered: answers take time to arrive.
        guard await orLibp2p() else { throw WebArrivalError(reason: "it wants a WebSocket that nobody here speaks") }
    }

    /// Answers what libp2p is not to be offered, if there is a place for one more; false for a WebSocket that the application leaves.
    private func answer(_ exchange: WebExchange, wantsWebSocket: Bool, until deadline: NIODeadline) async throws -> Bool {
        let place: Reservation
        do throws(LimitError) {
            place = try self.serving.take(for: exchange.remoteAddress)
        } catch {
            // The application's clients keep nobody from libp2p.
            if wantsWebSocket { return false }
            throw WebArrivalError(reason: "\(error): others are served")
        }
        try await exchange.checkOrigin(self.terms)
        // A WebSocket's request has no content, and what follows it is not to be touched before libp2p has declined.
        let content = wantsWebSocket ? ByteBuffer() : try await exchange.readContent(until: deadline)
        let request = try exchange.request(content: content)
        let reply = await self.handler?.reply(to: request)
        switch reply {
        case .response(let status, let fields, let content):
            try await exchange.respond(status, fields: fields, content: content)
        case .webSocket(let fields, let body):
            try await exchange.becomeWebSocket(fields: fields, body)
        case .upgrade(let token, let fields, let body):
            try await exchange.upgrade(to: token, fields: fields, body)
        case nil where wantsWebSocket:
            return false
        case nil:
            try await exchange.respond(404, fields: [], content: ByteBuffer(string: "404 Not Found\n"))
        }
        _ = consume place
        return true
    }
}
