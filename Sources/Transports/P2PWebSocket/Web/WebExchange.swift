import NIOCore
import P2PCore
import P2PHTTPHead
import P2PMultiaddr
import P2PPipeline

/// One request of a connection, and what becomes of it. The gate at the pipeline's end holds the request's bytes.
struct WebExchange {
    /// How often it is looked whether the client takes any of an answer.
    private static let progressInterval = TimeAmount.milliseconds(500)

    private let bytes: ByteChannel
    private let head: HTTPHead
    private let limits: WebLimits

    init(_ bytes: ByteChannel, head: HTTPHead, limits: WebLimits) {
        self.bytes = bytes
        self.head = head
        self.limits = limits
    }

    private var channel: any Channel { self.bytes.channel }
    var remoteAddress: Multiaddr { self.bytes.remoteAddress }

    func request(content: ByteBuffer) throws -> WebRequest {
        let parts = self.head.startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2] == "HTTP/1.1" || parts[2] == "HTTP/1.0" else {
            throw WebArrivalError(reason: "a request is not HTTP/1.x: \(HTTPHead.excerpt(self.head.startLine))")
        }
        return WebRequest(
            method: String(parts[0]), target: String(parts[1]), fields: self.head.fields.map { ($0.name, $0.value) }, content: content,
            remoteAddress: self.bytes.remoteAddress, head: self.head)
    }

    /// Refuses to connect pages that may not, to whatever they want.
    func checkOrigin(_ terms: WebSocketAnswer.Terms) async throws {
        guard !self.head.values("upgrade").isEmpty, let refusal = terms.refusal(ofOriginsOf: self.head),
            case .refuse(let response, let error) = refusal.answer
        else { return }
        try await self.end(with: response)
        throw error
    }

    /// Reads what the request's head announces.
    func readContent(until deadline: NIODeadline) async throws -> ByteBuffer {
        guard self.head.values("transfer-encoding").isEmpty else {
            try await self.respond(411, fields: [], content: ByteBuffer())
            throw WebArrivalError(reason: "a request does not say how long its content is")
        }
        let lengths = Set(self.head.values("content-length"))
        guard lengths.count <= 1, let length = HTTPHead.number(lengths.first ?? "0"), length <= self.limits.content else {
            try await self.respond(413, fields: [], content: ByteBuffer())
            throw WebArrivalError(
                reason: "a request has more than \(self.limits.content) bytes of content, or does not say in digits how many")
        }
        return try await self.channel.behindTheGate { pipeline, promise in
            try pipeline.addHandler(WebContentReader(length: length, deadline: deadline, promise: promise))
        }
    }

    // MARK: Replies

    func respond(_ status: Int, fields: [WebSocketHeaderField], content: ByteBuffer) async throws {
        let status = (200..<600).contains(status) ? status : 500
        var response = ByteBuffer(
            string: "HTTP/1.1 \(status) \(Self.reason(status))\r\nConnection: close\r\nContent-Length: \(content.readableBytes)\r\n")
        for field in fields { response.writeString(field.line) }
        response.writeString("\r\n")
        if !self.head.startLine.hasPrefix("HEAD ") { response.writeImmutableBuffer(content) }
        try await self.end(with: response)
    }

    /// Sends the last bytes, and ends the connection such that they arrive.
    private func end(with response: ByteBuffer) async throws {
        try await self.send(response)
        let (patience, allowance) = (TimeAmount(self.limits.lingering), self.limits.lingeringContent)
        try? await self.channel.behindTheGate { pipeline, promise in
            try pipeline.addHandler(LingeringClose(patience: patience, allowance: allowance, promise: promise))
        }
        try? await self.channel.close()
    }

    /// Returns when the bytes are on their way. Whoever takes none of them any more keeps neither the place nor the listener's end waiting.
    private func send(_ response: ByteBuffer) async throws {
        let channel = self.channel
        await channel.followSending()
        let patience = TimeAmount(self.limits.patience)
        let progress = NIOLoopBoundBox.makeBoxSendingValue(SendProgress(at: .now()), eventLoop: channel.eventLoop)
        let interval = Self.progressInterval
        let looking = channel.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            guard progress.value.pause(unsent: channel.unsentBytes, at: .now()) >= patience else { return }
            channel.close(promise: nil)
        }
        defer { looking.cancel() }
        try await withTaskCancellationHandler {
            try await channel.writeAndFlush(response)
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 404: "Not Found"
        case 411: "Length Required"
        case 413: "Content Too Large"
        default: "Status"
        }
    }

    func becomeWebSocket(fields: [WebSocketHeaderField], _ body: @Sendable (WebByteStream) async throws -> Void) async throws {
        switch WebSocketAnswer(to: self.head, terms: WebSocketAnswer.Terms(fields: fields)) {
        case .refuse(let response, let error):
            try await self.end(with: response)
            throw error
        case .accept(let response):
            try await self.run(response, framed: true, body)
        }
    }

    func upgrade(
        to token: WebSocketHeaderField.Token, fields: [WebSocketHeaderField], _ body: @Sendable (WebByteStream) async throws -> Void
    ) async throws {
        guard self.head.list("upgrade", has: token.text.lowercased()), self.head.list("connection", has: "upgrade") else {
            try await self.respond(426, fields: [], content: ByteBuffer())
            return
        }
        var response = ByteBuffer(string: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: \(token.text)\r\nConnection: Upgrade\r\n")
        for field in fields { response.writeString(field.line) }
        response.writeString("\r\n")
        try await self.run(response, framed: false, body)
    }

    /// Sends the 101 and lets the application have the bytes behind the request's head.
    private func run(_ response: ByteBuffer, framed: Bool, _ body: @Sendable (WebByteStream) async throws -> Void) async throws {
        let channel = self.channel
        if framed { await channel.followSending() }
        try await channel.writeAndFlush(response)
        let idle = self.limits.idle.map { TimeAmount($0) }
        let stream = try await channel.behindTheGate { pipeline, promise in
            // Once the content was read its reader is the gate, and the head is gone.
            if (try? pipeline.handler(type: WebContentReader.self)) == nil { try pipeline.addHandler(HeadSkipper()) }
            if framed {
                let webSocket = WebSocketHandler(side: .server, pool: RecordPool.of(channel.eventLoop))
                if let idle, idle > .zero {
                    // Below the gate: what it lets through is no sign of life.
                    let silence = ClientSilenceHandler(limit: idle, webSocket: webSocket, at: channel.eventLoop.now)
                    try pipeline.addHandler(silence, position: pipeline.gate.map { .before($0) } ?? .last)
                }
                try pipeline.addHandler(webSocket)
            }
            promise.succeed(try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel))
        }
        try await stream.executeThenClose { inbound, outbound in
            try await body(WebByteStream(inbound: inbound, outbound: outbound, closed: channel.closeFuture))
        }
    }
}

/// Takes the request's head away, and goes.
private final class HeadSkipper: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var reader = HTTPHeadReader()
    private var isDone = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isDone else { return context.fireChannelRead(data) }
        var bytes = self.unwrapInboundIn(data)
        // The gate has read the same head before.
        guard (try? self.reader.received(&bytes)) != nil else { return }
        self.isDone = true
        if bytes.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(bytes)) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
