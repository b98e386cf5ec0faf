import NIOCore
import P2PCore
import P2PPipeline

/// A stream of bytes over the frames of a WebSocket (RFC 6455): what is read and written beyond it knows nothing of frames.
///
/// Unless somebody receives messages: then these are his, text among them, and nothing is passed on.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Payload up to which a server's frame is copied behind its header instead of written as two buffers.
    private static let joinedPayload = 1_024

    private enum Phase {
        case open
        /// We have sent a close frame. What the peer still sends is passed on until its own close frame, unless nobody wants it.
        case closing(delivers: Bool)
        /// Both close frames are out, or the peer broke the rules: only the end of the connection is of interest.
        case closed
    }

    private let side: WebSocketSide
    private let pool: RecordPool
    private let messages: (any WebSocketMessageReceiver)?
    private var reader: WebSocketFrameReader
    private let writer: WebSocketFrameWriter
    private var packer = WebSocketFramePacker()
    private var packed: [EventLoopPromise<Void>] = []
    private var allowance = WebSocketAllowance()
    private var phase = Phase.open
    private var timeout: Scheduled<Void>?
    private var closePromises: [EventLoopPromise<Void>] = []
    /// The newest ping that waits for the channel to take its answer; RFC 6455, section 5.5.3, lets older ones go unanswered.
    private var owedPong: ByteBuffer?
    private var hasWritten = false
    private var hasDelivered = false

    init(side: WebSocketSide, pool: RecordPool = RecordPool(), messages: (any WebSocketMessageReceiver)? = nil) {
        self.side = side
        self.pool = pool
        self.messages = messages
        self.reader = WebSocketFrameReader(side: side, takesText: messages != nil)
        self.writer = WebSocketFrameWriter(side: side)
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        do throws(WebSocketError) {
            while !self.isClosed, let input = try self.reader.next(from: &bytes, pool: self.pool) {
                try self.received(input, context: context)
            }
        } catch {
            self.fail(error, context: context)
        }
    }

    private var isClosed: Bool {
        if case .closed = self.phase { true } else { false }
    }

    private func received(_ input: WebSocketInput, context: ChannelHandlerContext) throws(WebSocketError) {
        switch input {
        case .data(let data, let isText, let endsMessage):
            if data.readableBytes == 0 { try self.allowance.spend(at: context.eventLoop.now) }
            if let messages {
                self.answer(messages.received(data, isText: isText, endsMessage: endsMessage), context: context)
                return
            }
            guard data.readableBytes > 0 else { return }
            if case .closing(delivers: false) = self.phase { return }
            self.hasDelivered = true
            context.fireChannelRead(self.wrapInboundOut(data))
            self.pool.recycle(data)
        case .ping(let payload):
            try self.allowance.spend(at: context.eventLoop.now)
            self.pong(payload, context: context)
        case .pong:
            try self.allowance.spend(at: context.eventLoop.now)
        case .close(let code):
            self.peerCloses(code, context: context)
        }
    }

    private func answer(_ message: WebSocketMessage?, context: ChannelHandlerContext) {
        guard let message, case .open = self.phase else { return }
        let frame = self.writer.frame(message.isText ? .text : .binary, payload: message.payload)
        context.write(self.wrapOutboundOut(frame), promise: nil)
        self.hasWritten = true
    }

    private func pong(_ payload: ByteBuffer, context: ChannelHandlerContext) {
        guard case .open = self.phase else { return }
        guard context.channel.isWritable else {
            self.owedPong = payload
            return
        }
        self.endFrame(context: context)
        context.write(self.wrapOutboundOut(self.writer.frame(.pong, payload: payload)), promise: nil)
        self.hasWritten = true
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.hasWritten {
            self.hasWritten = false
            context.flush()
        }
        context.fireChannelReadComplete()
        // A read that brought no data is nothing to whoever asked for it, so ask again.
        if !self.hasDelivered { context.read() }
        self.hasDelivered = false
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let payload = self.owedPong {
            self.owedPong = nil
            self.pong(payload, context: context)
            context.flush()
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Outbound

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var bytes = self.unwrapOutboundIn(data)
        guard case .open = self.phase else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        guard bytes.readableBytes > 0 else {
            // In its turn: a caller takes its success for that of everything before it.
            self.endFrame(context: context)
            context.write(self.wrapOutboundOut(bytes), promise: promise)
            return
        }
        switch self.side {
        case .server:
            self.writeFrame(bytes, context: context, promise: promise)
        case .client:
            while bytes.readableBytes > 0 {
                let isFull = self.packer.append(&bytes, pool: self.pool)
                if bytes.readableBytes == 0, let promise { self.packed.append(promise) }
                if isFull { self.endFrame(context: context) }
            }
        }
    }

    private func writeFrame(_ bytes: ByteBuffer, context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        let length = bytes.readableBytes
        let header = WebSocketFrameHeader(isFinal: true, opcode: .binary, maskingKey: nil, length: UInt64(length))
        let isJoined = length <= Self.joinedPayload
        var frame = self.pool.take(capacity: WebSocketFrameHeader.maximumLength + (isJoined ? length : 0))
        header.write(to: &frame)
        if isJoined { frame.writeImmutableBuffer(bytes) }
        context.write(self.wrapOutboundOut(frame), promise: isJoined ? promise : nil)
        self.pool.recycle(frame)
        if !isJoined { context.write(self.wrapOutboundOut(bytes), promise: promise) }
    }

    /// Writes the frame that a client has under way.
    private func endFrame(context: ChannelHandlerContext) {
        guard self.packer.hasFrame else { return }
        let frame = self.packer.end()
        let promise = self.packed.isEmpty ? nil : context.eventLoop.makePromise(of: Void.self)
        for waiting in self.packed { promise?.futureResult.cascade(to: waiting) }
        self.packed.removeAll(keepingCapacity: true)
        context.write(self.wrapOutboundOut(frame), promise: promise)
        self.pool.recycle(frame)
    }

    func flush(context: ChannelHandlerContext) {
        self.endFrame(context: context)
        self.hasWritten = false
        context.flush()
    }

    /// Asks the peer for a sign of life.
    func ping(context: ChannelHandlerContext) {
        guard case .open = self.phase else { return }
        self.endFrame(context: context)
        context.writeAndFlush(self.wrapOutboundOut(self.writer.frame(.ping, payload: ByteBuffer())), promise: nil)
    }

    // MARK: Closing

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard context.channel.isActive else {
            context.close(mode: mode, promise: promise)
            return
        }
        switch (mode, self.phase) {
        case (.input, _):
            promise?.fail(ChannelError.operationUnsupported)
        case (.output, .open):
            self.sendClose(.normal, context: context, promise: promise)
            self.phase = .closing(delivers: true)
        case (.output, _):
            promise?.fail(ChannelError.outputClosed)
        case (.all, .open):
            self.sendClose(.normal, context: context, promise: nil)
            self.phase = .closing(delivers: false)
            self.await(end: promise)
        case (.all, .closing):
            self.phase = .closing(delivers: false)
            self.await(end: promise)
        case (.all, .closed):
            self.await(end: promise)
        }
    }

    private func sendClose(_ code: WebSocketCloseCode?, context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        self.endFrame(context: context)
        self.owedPong = nil
        context.writeAndFlush(self.wrapOutboundOut(self.writer.close(code)), promise: promise)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        self.timeout = context.eventLoop.scheduleTask(in: WebSocketLimits.closing) {
            bound.value.close(promise: nil)
        }
        context.read()
    }

    private func await(end promise: EventLoopPromise<Void>?) {
        if let promise { self.closePromises.append(promise) }
    }

    private func peerCloses(_ code: WebSocketCloseCode?, context: ChannelHandlerContext) {
        let wasOpen = if case .open = self.phase { true } else { false }
        if wasOpen { self.sendClose(code, context: context, promise: nil) }
        self.phase = .closed
        // The server ends the connection, so that the wait after a close is its peer's (section 7.1.1).
        if self.side == .server || !wasOpen { context.close(promise: nil) }
    }

    /// Says what was wrong and ends the connection behind that: its half first, for the peer to read why.
    private func fail(_ error: WebSocketError, context: ChannelHandlerContext) {
        if case .open = self.phase {
            self.sendClose(error.closeCode, context: context, promise: nil)
            context.close(mode: .output, promise: nil)
        } else {
            context.close(promise: nil)
        }
        self.phase = .closed
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.ended()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.ended()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Behind the close frames nobody has to end TLS in an orderly way as well, and many don't.
        if self.isClosed { context.close(promise: nil) } else { context.fireErrorCaught(error) }
    }

    private func ended() {
        self.phase = .closed
        self.timeout?.cancel()
        self.timeout = nil
        for promise in self.packed { promise.fail(ChannelError.ioOnClosedChannel) }
        self.packed.removeAll()
        let promises = self.closePromises
        self.closePromises.removeAll()
        for promise in promises { promise.succeed() }
    }
}
