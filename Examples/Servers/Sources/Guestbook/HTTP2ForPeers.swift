import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import NIOPosix
import P2P
import P2PPipeline

/// HTTP/2 over a stream, by nio-http2: one stream of the connection carries any number of requests at a time.
enum HTTP2OverStreams {
    static let protocolID: ProtocolID = "/example/guestbook/h2"
    /// Bytes of a request's body, and of a response's.
    static let longestBody = 2 * 1_024 * 1_024

    /// Mounts HTTP/2 on a stream, and gives the stream up to it.
    static func mount<Output: Sendable>(
        _ stream: PeerStream, mode: NIOHTTP2Handler.ParserMode, _ initialize: @escaping @Sendable (any Channel) throws -> Output
    ) async throws -> (channel: StreamChannel, multiplexer: NIOHTTP2Handler.AsyncStreamMultiplexer<Output>) {
        let channel = StreamChannel(stream, on: MultiThreadedEventLoopGroup.singleton.any())
        let multiplexer = try await channel.eventLoop.submit {
            let multiplexer = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(mode: mode) { child in
                child.eventLoop.makeCompletedFuture { try initialize(child) }
            }
            channel.activate()
            return multiplexer
        }.get()
        return (channel, multiplexer)
    }
}

/// Serves a router to peers over HTTP/2.
struct HTTP2ForPeers<Responder: Hummingbird.HTTPResponder>: ProtocolHandler where Responder.Context == PeerContext {
    typealias Exchange = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let protocolIDs = [HTTP2OverStreams.protocolID]
    let limits = StreamLimits(inboundPerPeer: 4)
    private let responder: Responder

    init(_ responder: Responder) { self.responder = responder }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        let (channel, multiplexer) = try await HTTP2OverStreams.mount(stream, mode: .server) { child in
            try child.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPServerCodec())
            return try Exchange(wrappingChannelSynchronously: child, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
        try await withTaskCancellationHandler {
            try await withThrowingDiscardingTaskGroup { group in
                for try await exchange in multiplexer.inbound {
                    group.addTask { try? await self.serve(exchange, connection.remotePeer) }
                }
            }
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    private func serve(_ exchange: Exchange, _ peer: PeerID) async throws {
        try await exchange.executeThenClose { inbound, outbound in
            var parts = inbound.makeAsyncIterator()
            guard case .head(let head)? = try await parts.next() else { return }
            var (body, isWhole) = (ByteBuffer(), false)
            while !isWhole, let part = try await parts.next() {
                switch part {
                case .head: return
                case .body(let piece):
                    guard body.readableBytes + piece.readableBytes <= HTTP2OverStreams.longestBody else { return }
                    body.writeImmutableBuffer(piece)
                case .end: isWhole = true
                }
            }
            guard isWhole else { return }
            let context = PeerContext(source: PeerSource(peer: peer))
            let request = Request(head: head, body: RequestBody(buffer: body))
            let response: Response
            do {
                response = try await self.responder.respond(to: request, context: context)
            } catch let error as any HTTPResponseError {
                response = try error.response(from: request, context: context)
            }
            try await outbound.write(.head(response.head))
            try await response.body.write(Writer(outbound: outbound))
            // Both sides have said all; closing before that has left would take it back.
            try await exchange.channel.closeFuture.get()
        }
    }

    private struct Writer: ResponseBodyWriter {
        let outbound: NIOAsyncChannelOutboundWriter<HTTPResponsePart>

        mutating func write(_ buffer: ByteBuffer) async throws { try await self.outbound.write(.body(buffer)) }
        consuming func finish(_ trailingHeaders: HTTPFields?) async throws { try await self.outbound.write(.end(trailingHeaders)) }
    }
}

/// Asks a peer over HTTP/2.
struct HTTP2Client: Sendable {
    private typealias Exchange = NIOAsyncChannel<HTTPResponsePart, HTTPRequestPart>

    private let peer: PeerID
    private let channel: StreamChannel
    private let multiplexer: NIOHTTP2Handler.AsyncStreamMultiplexer<Void>

    init(_ connection: PeerConnection) async throws {
        self.peer = connection.remotePeer
        // Servers open no streams here.
        (self.channel, self.multiplexer) = try await HTTP2OverStreams.mount(
            connection.openStream(HTTP2OverStreams.protocolID), mode: .client
        ) { _ in }
    }

    func get(_ path: String) async throws -> (HTTPResponse.Status, ByteBuffer) {
        let exchange = try await self.multiplexer.openStream { child in
            child.eventLoop.makeCompletedFuture {
                try child.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPClientCodec())
                return try Exchange(wrappingChannelSynchronously: child, configuration: .init(isOutboundHalfClosureEnabled: true))
            }
        }
        return try await exchange.executeThenClose { inbound, outbound in
            try await outbound.write(.head(HTTPRequest(method: .get, scheme: "http", authority: "\(self.peer)", path: path)))
            try await outbound.write(.end(nil))
            var (status, body) = (HTTPResponse.Status?.none, ByteBuffer())
            for try await part in inbound {
                switch part {
                case .head(let head): status = head.status
                case .body(let piece):
                    guard body.readableBytes + piece.readableBytes <= HTTP2OverStreams.longestBody else {
                        throw HTTPError(.contentTooLarge, message: "the answer is too long")
                    }
                    body.writeImmutableBuffer(piece)
                case .end: break
                }
            }
            guard let status else { throw HTTPError(.badGateway, message: "the peer ended without an answer") }
            return (status, body)
        }
    }

    func close() async throws { try await self.channel.close() }
}
