import NIOCore
import NIOHTTP1
import NIOPosix
import P2PCore
import P2PMemory
import P2PPipeline
import Testing

/// Answers each request with its own body.
private final class EchoServer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let request):
            var headers = HTTPHeaders([("x-path", request.uri)])
            if let length = request.headers.first(name: "content-length") { headers.add(name: "content-length", value: length) }
            context.write(self.wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        case .body(let bytes):
            context.writeAndFlush(self.wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        case .end:
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}

/// A whole response.
private struct Response: Sendable, Equatable {
    var path: String
    var body: ByteBuffer
}

/// Gathers whole responses.
private final class Responses: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let inbox: Inbox<Response, Never>
    private var current = Response(path: "", body: ByteBuffer())

    init(_ inbox: Inbox<Response, Never>) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head): self.current = Response(path: head.headers.first(name: "x-path") ?? "", body: ByteBuffer())
        case .body(let bytes): self.current.body.writeImmutableBuffer(bytes)
        case .end: _ = self.inbox.offer(self.current)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { self.inbox.finish(.success(())) }
}

@Suite("HTTP/1 over a stream")
struct StreamChannelHTTPTests {
    private func request(_ path: String, body: ByteBuffer, on channel: any Channel) {
        let headers = HTTPHeaders([("host", "peer"), ("content-length", "\(body.readableBytes)")])
        channel.write(
            HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: .POST, uri: path, headers: headers)), promise: nil)
        channel.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    }

    @Test("Pipelined requests on one keep-alive stream, one with a body of 2 MiB, are all answered in order", .timeLimit(.minutes(1)))
    func keepAlive() async throws {
        let (near, far) = MemoryStreamPair.connected(window: 64 * 1_024)
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await far.mountChannel(on: group.next()) { channel in
            try channel.pipeline.syncOperations.configureHTTPServerPipeline()
            try channel.pipeline.syncOperations.addHandler(EchoServer())
        }
        let responses = Inbox<Response, Never>(limit: 16)
        let client = try await near.mountChannel(on: group.next()) { channel in
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(Responses(responses))
        }
        let bodies = [
            ByteBuffer(string: "small"), ByteBuffer(bytes: (0..<(2 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }), ByteBuffer(),
            ByteBuffer(string: "last"),
        ]
        for (index, body) in bodies.enumerated() { self.request("/\(index)", body: body, on: client) }
        for (index, body) in bodies.enumerated() {
            let response = await responses.next()
            #expect(response?.path == "/\(index)")
            #expect(response?.body == body)
        }
        try await client.close()
        #expect(await responses.next() == nil)
        try await server.closeFuture.get()
    }
}
