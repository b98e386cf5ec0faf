import NIOCore
import NIOHPACK
import NIOHTTP2
import P2PCore
import P2PHTTP

/// One request and its response, as a channel of nio-http2: what comes is read when it is asked for, and no sooner.
final class HTTP2Exchange: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = HTTP2Frame.FramePayload

    /// What comes.
    enum Part: Sendable {
        case head(HPACKHeaders, isLast: Bool)
        case body(ByteBuffer)
    }

    /// Somebody who waits, and may stop doing so. Confined to the event loop.
    private final class Ticket: @unchecked Sendable {
        var isCancelled = false
    }

    /// As much of a piece of a body has to be taken in time, in bytes.
    private static let partSize = 256 * 1_024

    private let channel: any Channel
    /// The stream beneath, for which what is kept here counts.
    private let stream: MuxedStream

    // What follows is confined to the event loop.
    /// What came together with what was asked for: no more than a window.
    private var parts = CircularBuffer<Part>(initialCapacity: 2)
    private var reader: (ticket: Ticket, promise: EventLoopPromise<Part?>)?
    private var isWhole = false
    private var failure: HTTPError?
    private var holdings: HTTP2Holdings?
    private var number: Int?
    /// Bytes of bodies in ``parts``.
    private var kept = 0

    private init(_ channel: any Channel, _ holdings: HTTP2Holdings) {
        self.channel = channel
        self.holdings = holdings
        self.stream = holdings.stream
    }

    deinit { self.keep(-self.kept) }

    /// On the event loop, before the channel is active.
    static func make(on channel: any Channel, _ holdings: HTTP2Holdings) throws -> HTTP2Exchange {
        let exchange = HTTP2Exchange(channel, holdings)
        try channel.syncOptions?.setOption(.autoRead, value: false)
        try channel.pipeline.syncOperations.addHandler(exchange)
        return exchange
    }

    /// Completes when the exchange is over, whoever has ended it.
    func waitForEnd() async { try? await self.channel.closeFuture.get() }

    /// Calls back when the exchange is over.
    func whenOver(_ callback: @escaping @Sendable () -> Void) { self.channel.closeFuture.whenComplete { _ in callback() } }

    /// Ends it; the other side is told, unless both have said all.
    func close() { self.channel.close(promise: nil) }

    // MARK: What comes

    /// Waits for the next part; nil at the end. One caller at a time.
    ///
    /// - Throws: ``HTTPError`` (`broken`, `unexpectedEnd`, `busy`), `CancellationError`.
    func next() async throws -> Part? {
        let ticket = Ticket()
        let eventLoop = self.channel.eventLoop
        return try await withTaskCancellationHandler {
            try await eventLoop.flatSubmit { self.take(ticket) }.get()
        } onCancel: {
            eventLoop.execute { self.cancel(ticket) }
        }
    }

    /// The same, and no longer than that while it is the other side's turn.
    ///
    /// - Throws: also ``HTTPError`` (`timedOut`).
    func next(within patience: HTTPTurn.Patience, _ turn: HTTPTurn, _ clock: HostClock, _ what: String) async throws -> Part? {
        let part = try await turn.wait(patience, on: clock) { () async throws -> Result<Part?, Never> in .success(try await self.next()) }
        if let part { return part.get() }
        if Task.isCancelled { throw CancellationError() }
        throw HTTPError(.timedOut, "\(what) did not come in time")
    }

    /// The next piece of the body. Trailers are passed over.
    func piece(within time: Duration, _ clock: HostClock) async throws -> ByteBuffer? {
        while let part = try await self.next(within: HTTPTurn.Patience(time), HTTPTurn(theirsSince: clock.now()), clock, "more of a body") {
            if case .body(let bytes) = part { return bytes }
        }
        return nil
    }

    /// Whether the other side has said all.
    func hasEnded() async -> Bool { (try? await self.channel.eventLoop.submit { self.isWhole }.get()) ?? true }

    private func take(_ ticket: Ticket) -> EventLoopFuture<Part?> {
        let eventLoop = self.channel.eventLoop
        if let part = self.popPart() { return eventLoop.makeSucceededFuture(part) }
        if self.isWhole { return eventLoop.makeSucceededFuture(nil) }
        if let failure = self.failure { return eventLoop.makeFailedFuture(failure) }
        if ticket.isCancelled { return eventLoop.makeFailedFuture(CancellationError()) }
        guard self.reader == nil else { return eventLoop.makeFailedFuture(HTTPError(.busy, "another task reads this exchange")) }
        let promise = eventLoop.makePromise(of: Part?.self)
        self.reader = (ticket, promise)
        self.channel.read()
        return promise.futureResult
    }

    private func popPart() -> Part? {
        guard let part = self.parts.popFirst() else { return nil }
        if case .body(let bytes) = part { self.keep(-bytes.readableBytes) }
        return part
    }

    /// Small pieces are joined: one who sends a byte at a time costs bytes, not buffers.
    private func append(_ bytes: ByteBuffer) {
        guard bytes.readableBytes < ByteQueue.joinBelow, case .body(var last)? = self.parts.last, last.readableBytes < ByteQueue.joinBelow
        else { return self.parts.append(.body(ByteQueue.compacted(bytes))) }
        self.parts.removeLast()
        last.writeImmutableBuffer(bytes)
        self.parts.append(.body(last))
    }

    private func keep(_ change: Int) {
        guard change != 0 else { return }
        self.kept += change
        self.stream.keepElsewhere(change)
    }

    /// A request of ours has a number once its head leaves.
    private func numberOnceKnown() -> Int? {
        if self.number == nil {
            let id = try? self.channel.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID)
            self.number = id.map { Int($0) }
        }
        return self.number
    }

    private func cancel(_ ticket: Ticket) {
        ticket.isCancelled = true
        guard let reader = self.reader, reader.ticket === ticket else { return }
        self.reader = nil
        reader.promise.fail(CancellationError())
    }

    private func deliver() {
        guard let reader = self.reader else { return }
        if let part = self.popPart() {
            self.reader = nil
            reader.promise.succeed(part)
        } else if self.isWhole {
            self.reader = nil
            reader.promise.succeed(nil)
        } else if let failure = self.failure {
            self.reader = nil
            reader.promise.fail(failure)
        } else {
            self.channel.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .headers(let head):
            self.parts.append(.head(head.headers, isLast: head.endStream))
            self.isWhole = head.endStream
        case .data(let body):
            if case .byteBuffer(let bytes) = body.data, bytes.readableBytes > 0 {
                self.append(bytes)
                self.keep(bytes.readableBytes)
                if let number = self.numberOnceKnown() { self.holdings?.gave(bytes.readableBytes, of: number) }
            }
            self.isWhole = body.endStream
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.deliver()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(HTTPError(.broken, "the exchange was reset", cause: error))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail(HTTPError(.unexpectedEnd, "the exchange ended before it was whole"))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if let number = self.numberOnceKnown() { self.holdings?.ended(number) }
        self.holdings = nil
        self.fail(HTTPError(.broken, "the exchange is over"))
    }

    /// The first reason is the reason.
    private func fail(_ error: HTTPError) {
        self.failure = self.failure ?? error
        self.deliver()
    }

    // MARK: What goes

    /// Sends a piece of a body; returns when the other side's windows have taken it, which is its turn.
    func send(_ bytes: ByteBuffer, _ turn: HTTPTurn, _ clock: HostClock) async throws {
        try await turn.send(bytes, inPiecesOf: Self.partSize, on: clock) { try await self.send(.data(.init(data: .byteBuffer($0)))) }
    }

    /// Sends a head, and waits no longer than that until it has gone.
    func send(_ head: HPACKHeaders, isLast: Bool, within time: Duration, _ clock: HostClock) async throws {
        try await self.send(.headers(.init(headers: head, endStream: isLast)), within: time, clock)
    }

    /// Sends a piece of a body, and waits no longer than that for the other side's windows to take more of it.
    ///
    /// - Throws: ``HTTPError`` (`broken`, `timedOut`), `CancellationError`; the exchange is reset.
    func send(_ bytes: ByteBuffer, within time: Duration, _ clock: HostClock) async throws {
        var rest = bytes
        while let part = rest.readSlice(length: min(rest.readableBytes, Self.partSize)) {
            try await self.send(.data(.init(data: .byteBuffer(part))), within: time, clock)
            if rest.readableBytes == 0 { return }
        }
    }

    /// Says that this was all, and waits no longer than that until it has gone.
    func sendEnd(within time: Duration, _ clock: HostClock) async throws {
        try await self.send(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)), within: time, clock)
    }

    private func send(_ payload: HTTP2Frame.FramePayload, within time: Duration, _ clock: HostClock) async throws {
        let isSent = try await clock.result(by: clock.now().advanced(by: time)) { () async throws -> Bool in
            try await self.send(payload)
            return true
        }
        if isSent == true { return }
        if Task.isCancelled { throw CancellationError() }
        throw HTTPError(.timedOut, "the other side takes nothing of what is sent")
    }

    /// Says that this was all.
    func sendEnd() async throws { try await self.send(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true))) }

    /// Ends it with a reason.
    func reset(_ code: HTTP2ErrorCode) async { try? await self.send(.rstStream(code)) }

    /// Returns when it has gone; cancelling ends the exchange.
    private func send(_ payload: HTTP2Frame.FramePayload) async throws {
        // What waits in the stream below does not fail with the exchange, so there is a promise to give up.
        let promise = self.channel.eventLoop.makePromise(of: Void.self)
        self.channel.writeAndFlush(payload).cascade(to: promise)
        do {
            try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                self.close()
                promise.fail(CancellationError())
            }
        } catch {
            throw HTTPError(.broken, "the exchange was reset or lost", cause: error)
        }
    }
}
