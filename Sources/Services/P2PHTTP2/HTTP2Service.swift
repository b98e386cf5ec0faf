import HTTPTypes
import NIOCore
import NIOHPACK
import NIOHTTP2
public import P2PCore
public import P2PHTTP
import P2PPipeline
import Synchronization

extension ProtocolID {
    /// HTTP/2 over a stream. Ours: libp2p has specified HTTP/1.1 alone.
    public static let http2: ProtocolID = "/http/2"
}

/// Serves HTTP/2 to peers, by nio-http2: one stream carries many exchanges at a time. It serves what `HTTPService` serves, by the same responders.
///
/// ```swift
/// try host.serve(HTTP2Service(HTTPClosureResponder { request in .text(.ok, "Hello \(request.peer)") }))
/// ```
public struct HTTP2Service: ProtocolHandler {
    /// The protocol that is negotiated.
    public let protocolIDs: [ProtocolID]
    /// What bounds it.
    public let http2Limits: HTTP2Limits
    private let responder: any HTTPResponder

    /// - Parameter protocolID: another name of the same.
    public init(_ responder: any HTTPResponder, protocolID: ProtocolID = .http2, limits: HTTP2Limits = HTTP2Limits()) {
        self.protocolIDs = [protocolID]
        self.responder = responder
        self.http2Limits = limits
    }

    /// As many streams as the limits say.
    public var limits: StreamLimits { StreamLimits(inboundPerPeer: self.http2Limits.streamsPerPeer) }
    /// Also over a connection that a relay lends.
    public var servesLimitedConnections: Bool { true }

    /// Serves exchanges until the peer has no more of them, or goes beyond a limit.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let mounted = try await HTTP2Mount.mount(stream, .server, self.http2Limits)
        let (channel, multiplexer) = (mounted.channel, mounted.multiplexer)
        // nio-http2 keeps a peer to the limit once it has acknowledged the settings; one that never does is kept to twice as many
        // here: of those that a peer may count as over, some are not over yet.
        let exchanging = Living()
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                var exchanges = multiplexer.inbound.makeAsyncIterator()
                while let exchange = try? await exchanges.next() {
                    group.addTask {
                        defer { exchanging.count.subtract(1, ordering: .relaxed) }
                        if exchanging.count.add(1, ordering: .relaxed).newValue <= 2 * self.http2Limits.exchanges {
                            await self.serve(exchange, on: connection)
                        } else {
                            await exchange.reset(.refusedStream)
                        }
                    }
                }
                channel.close(promise: nil)
            }
        } onCancel: {
            channel.close(promise: nil)
        }
        // It has ended with the channel, which has told the peer how.
        try? await channel.closeFuture.get()
    }

    /// Exchanges that live on one stream.
    private final class Living: Sendable {
        let count = Atomic<Int>(0)
    }

    /// One exchange. Nobody works on for one that the peer has reset.
    private func serve(_ exchange: HTTP2Exchange, on connection: PeerConnection) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.answer(exchange, on: connection)
                exchange.close()
            }
            group.addTask { await exchange.waitForEnd() }
            await group.next()
            group.cancelAll()
        }
    }

    private func answer(_ exchange: HTTP2Exchange, on connection: PeerConnection) async {
        do {
            guard case .head(let block, let isLast)? = try await exchange.next() else { return }
            let head = try HTTP2Head.request(block)
            let (limits, clock) = (self.http2Limits, connection.host.clock)
            if !isLast, head.headerFields[values: .expect].contains(where: { $0.lowercased() == "100-continue" }) {
                try await exchange.send([":status": "100"], isLast: false, within: limits.bodyIdle, clock)
            }
            let body = isLast ? HTTPIncomingBody() : HTTPIncomingBody { try await exchange.piece(within: limits.bodyIdle, clock) }
            let request = HTTPPeerRequest(head: head, peer: connection.remotePeer, body: body, hasBody: !isLast)
            var response = await self.responder.answer(to: request, logger: connection.host.logger)
            if response.body.isUpgrade { response = .text(.notImplemented, "HTTP/2 changes to no other protocol") }
            try await self.send(response, to: head.method, exchange, clock)
            // The rest of a request that nobody reads is not wanted, and the response holds all the same (RFC 9113, section 8.1).
            if await !exchange.hasEnded() { await exchange.reset(.noError) }
        } catch let error as HTTPError where error.code == .malformed {
            await exchange.reset(.protocolError)
        } catch {
            await exchange.reset(.internalError)
        }
    }

    private func send(
        _ response: HTTPPeerResponse, to method: HTTPRequest.Method, _ exchange: HTTP2Exchange, _ clock: HostClock
    ) async throws {
        let time = self.http2Limits.bodyIdle
        let status = response.head.status.code
        let isBodiless = method == .head || status == 204 || status == 304
        let length = response.body.length
        let block = HTTP2Head.block(response.head, length: status == 204 || status == 304 ? nil : length)
        guard !isBodiless, length != 0 else { return try await exchange.send(block, isLast: true, within: time, clock) }
        try await exchange.send(block, isLast: false, within: time, clock)
        try await response.body.write { try await exchange.send($0, within: time, clock) }
        try await exchange.sendEnd(within: time, clock)
    }
}
