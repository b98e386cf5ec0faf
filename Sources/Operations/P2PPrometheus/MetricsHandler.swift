import NIOCore
import NIOPosix
import P2PHTTPHead

/// Reads one request and answers it.
final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes that are read, and thrown away, behind a request.
    private static let maximumSurplus = 64 * 1_024

    private let patience: TimeAmount
    private let names: Set<String>
    private let places: ConnectionPlaces
    private let page: @Sendable () -> String
    private var reader = HTTPHeadReader()
    private var surplus = 0
    private var isAnswering = false
    private var deadline: Scheduled<Void>?
    private var place = ConnectionPlaces.Place.none

    init(patience: TimeAmount, names: Set<String>, places: ConnectionPlaces, page: @escaping @Sendable () -> String) {
        self.patience = patience
        self.names = names
        self.places = places
        self.page = page
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.place = self.places.take()
        let channel = context.channel
        guard self.place != .none else { return channel.close(promise: nil) }
        self.deadline = context.eventLoop.scheduleTask(in: self.patience) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.deadline?.cancel()
        self.places.giveBack()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard !self.isAnswering else {
            self.surplus += bytes.readableBytes
            if self.surplus > Self.maximumSurplus { context.close(promise: nil) }
            return
        }
        do throws(HTTPHeadError) {
            guard let head = try self.reader.received(&bytes) else { return }
            self.answer(self.place == .answered ? MetricsAnswer.to(head, names: self.names) : .tooMany, context)
        } catch {
            self.answer(.badRequest, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Whoever has said all gets its answer; whoever leaves before a request gets none.
        if event as? ChannelEvent == .inputClosed, !self.isAnswering { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ answer: MetricsAnswer, _ context: ChannelHandlerContext) {
        self.isAnswering = true
        switch answer {
        case .page(let withBody):
            let page = self.page
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) { page() }
                .whenSuccess { text in
                    let (handler, context) = bound.value
                    handler.write(200, "OK", PrometheusText.contentType, text, withBody: withBody, context)
                }
        case .refusal(let status, let reason, let text):
            self.write(status, reason, "text/plain; charset=utf-8", text + "\n", withBody: true, context)
        }
    }

    private func write(
        _ status: Int, _ reason: String, _ type: String, _ text: String, withBody: Bool, _ context: ChannelHandlerContext
    ) {
        guard context.channel.isActive else { return }
        let allow = status == 405 ? "Allow: GET, HEAD\r\n" : ""
        let head = """
            HTTP/1.1 \(status) \(reason)\r
            Content-Type: \(type)\r
            Content-Length: \(text.utf8.count)\r
            Cache-Control: no-store\r
            X-Content-Type-Options: nosniff\r
            Connection: close\r
            \(allow)\r

            """
        let bytes = context.channel.allocator.buffer(string: withBody ? head + text : head)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(bytes)).assumeIsolated().whenComplete { _ in
            // The peer closes when it has read that; until then it may still be saying what nobody reads.
            bound.value.close(mode: .output, promise: nil)
        }
    }
}
