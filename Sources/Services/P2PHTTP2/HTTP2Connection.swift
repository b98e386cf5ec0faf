public import HTTPTypes
import NIOCore
import NIOHTTP2
public import P2PCore
public import P2PHTTP
import P2PPipeline
import Synchronization

/// Asks a peer over HTTP/2: one stream to it carries any number of requests at a time.
///
/// ```swift
/// let http = try await HTTP2Connection.open(on: connection)
/// let answer = try await http.http(HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/"))
/// ```
///
/// It ends when nobody holds it, nor an answer that came over it. A server ends one on which there has been no exchange for its ``HTTP2Limits/idle``.
public final class HTTP2Connection: Sendable {
    /// Interim responses that a peer may send before one that counts.
    static let maximumInterim = 8

    private let channel: StreamChannel
    private let multiplexer: HTTP2Mount.Multiplexer
    private let holdings: HTTP2Holdings
    private let host: String
    private let limits: HTTP2Limits
    private let clock: HostClock

    private init(_ mounted: HTTP2Mount.Mounted, host: String, _ limits: HTTP2Limits, _ clock: HostClock) {
        self.channel = mounted.channel
        self.multiplexer = mounted.multiplexer
        self.holdings = mounted.holdings
        self.host = host
        self.limits = limits
        self.clock = clock
    }

    deinit { self.channel.close(promise: nil) }

    /// Opens a stream for it.
    ///
    /// - Parameter protocolID: what the peer serves HTTP/2 as. That it does not shows at the first request.
    /// - Throws: ``HTTPError``.
    public static func open(
        on connection: PeerConnection, as protocolID: ProtocolID = .http2, limits: HTTP2Limits = HTTP2Limits()
    ) async throws -> HTTP2Connection {
        let stream: PeerStream
        do throws(StreamError) { stream = try await connection.openStream(protocolID) } catch {
            throw HTTPError(.broken, "no stream to \(connection.remotePeer)", cause: error)
        }
        let mounted = try await HTTP2Mount.mount(stream, .client, limits)
        return HTTP2Connection(mounted, host: "\(connection.remotePeer)", limits, connection.host.clock)
    }

    /// Ends it, and every exchange on it.
    public func close() { self.channel.close(promise: nil) }

    /// Sends a request, and waits for the head of the response.
    ///
    /// - Parameter request: its path begins with a slash. The host is the peer's id, unless it names one.
    /// - Throws: ``HTTPError``, or what makes the body fail, which ends the exchange.
    public func http(_ request: HTTPRequest, _ body: HTTPOutgoingBody = .none) async throws -> HTTPPeerAnswer {
        let path = request.path ?? "/"
        guard path.hasPrefix("/") || path == "*", path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), request.method != .connect,
            !body.isUpgrade
        else {
            throw HTTPError(
                .badRequest, "a path begins with a slash and has neither spaces nor controls; HTTP/2 changes to no other protocol")
        }
        let exchange: HTTP2Exchange
        // What is written on a channel of nio-http2 that begins after that would wait for ever.
        guard self.channel.isActive else { throw HTTPError(.broken, "the stream of HTTP/2 is over") }
        do {
            exchange = try await self.multiplexer.openStream { [holdings] child in
                child.eventLoop.makeCompletedFuture { try HTTP2Exchange.make(on: child, holdings) }
            }
        } catch {
            throw HTTPError(.broken, "the stream of HTTP/2 is over", cause: error)
        }
        let lease = Lease(exchange, of: self)
        let isBodiless = body.length == 0 && (request.method == .get || request.method == .head)
        let block = HTTP2Head.block(request, host: self.host, length: isBodiless ? nil : body.length)
        let (isAll, clock, turn, idle) = (body.length == 0, self.clock, HTTPTurn(), self.limits.idle)
        // A server may answer before it has heard all, so nobody waits for that.
        let broken = Mutex<(any Error)?>(nil)
        let sending = Task {
            do {
                // It waits here for a place among the server's exchanges, as long as one may do without any.
                try await exchange.send(block, isLast: isAll, within: idle, clock)
            } catch {
                // Nobody answers what was not asked.
                if !Task.isCancelled { broken.withLock { $0 = error } }
                turn.passed(at: clock.now())
                return exchange.close()
            }
            do {
                guard !isAll else { return turn.passed(at: clock.now()) }
                try await body.write { try await exchange.send($0, turn, clock) }
                turn.passed(at: clock.now())
                try await exchange.sendEnd()
            } catch let error as HTTPError where error.code == .broken {
                // One that hears no more may have answered, or soon will.
                turn.passed(at: clock.now())
            } catch {
                guard !Task.isCancelled else { return }
                broken.withLock { $0 = error }
                await exchange.reset(.cancel)
            }
        }
        // Nobody goes on sending when the exchange is over.
        exchange.whenOver { sending.cancel() }
        do {
            let head = try await self.answer(exchange, turn)
            let limits = self.limits
            return HTTPPeerAnswer(
                head: head,
                body: HTTPIncomingBody {
                    defer { withExtendedLifetime(lease) {} }
                    return try await exchange.piece(within: limits.bodyIdle, clock)
                })
        } catch {
            sending.cancel()
            exchange.close()
            throw broken.withLock { $0 } ?? error
        }
    }

    private func answer(_ exchange: HTTP2Exchange, _ turn: HTTPTurn) async throws -> HTTPResponse {
        let patience = HTTPTurn.Patience(self.limits.headTime, withBody: self.limits.bodyIdle)
        for _ in 0...Self.maximumInterim {
            let part = try await exchange.next(within: patience, turn, self.clock, "the head of a response")
            guard case .head(let block, _)? = part else {
                throw HTTPError(.unexpectedEnd, "the peer ended without a response")
            }
            let response = try HTTP2Head.response(block)
            if response.status.code >= 200 { return response }
        }
        throw HTTPError(.malformed, "the peer sends interim responses without end")
    }

    /// An exchange for as long as somebody may read its answer.
    private final class Lease: Sendable {
        private let exchange: HTTP2Exchange
        private let connection: HTTP2Connection

        init(_ exchange: HTTP2Exchange, of connection: HTTP2Connection) {
            self.exchange = exchange
            self.connection = connection
        }

        deinit { self.exchange.close() }
    }
}
