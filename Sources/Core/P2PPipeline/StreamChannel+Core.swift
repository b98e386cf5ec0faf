public import NIOCore
import P2PCore

/// What the pipeline asks of the channel. On the event loop.
extension StreamChannel: ChannelCore {
    /// Refused: a stream has no socket.
    public func localAddress0() throws -> SocketAddress {
        guard let address = self.localAddress else { throw ChannelError.unknownLocalAddress }
        return address
    }

    /// Refused: a stream has no socket.
    public func remoteAddress0() throws -> SocketAddress {
        guard let address = self.remoteAddress else { throw ChannelError.operationUnsupported }
        return address
    }

    /// Refused: a stream has no socket.
    public func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    /// Refused: a stream is connected already.
    public func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    /// No such event is known.
    public func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    /// Bytes that no handler wanted are dropped.
    public func channelRead0(_ data: NIOAny) {}

    /// Errors that no handler wanted change nothing: whoever caused them closes.
    public func errorCaught0(error: any Error) {}

    // MARK: Beginning

    /// A stream is open from its first moment, so that registering it makes it active.
    public func register0(promise: EventLoopPromise<Void>?) {
        self.registerAlreadyConfigured0(promise: promise)
    }

    /// Makes the channel active at once: the stream beneath is open already.
    public func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        guard self.lifecycle == .fresh else {
            promise?.fail(ChannelError.inappropriateOperationForState)
            return
        }
        self.lifecycle = .active
        self.publish(isActive: true)
        self.stream.muxed.observe(self)
        promise?.succeed()
        self.pipeline.fireChannelRegistered()
        self.pipeline.fireChannelActive()
        if self.options.autoRead { self.pipeline.read() }
        self.queueLook()
    }

    // MARK: Reading

    /// Reads from the stream until it has given bytes once.
    public func read0() {
        guard self.lifecycle == .active, !self.isInputClosed else { return }
        self.isReadWanted = true
        if !self.isDelivering { self.queueLook() }
    }

    /// Something about the stream has changed, or a handler wants to read.
    func look() {
        guard self.lifecycle == .active else { return }
        self.takeFlushed()
        self.completeOutput()
        self.deliver()
        guard self.lifecycle == .active, !self.isReadWanted, !self.hasRest, let failure = self.stream.muxed.failure else { return }
        // An end needs no read to be told of.
        if !self.isInputClosed, self.stream.muxed.inbound.isFinished { self.inputEnded() }
        if self.lifecycle == .active { self.fail(failure) }
    }

    /// The peer has said all that it will, and handlers have not read all of it yet: they may, whatever has become of the peer.
    private var hasRest: Bool {
        let (bytes, isFinished) = self.stream.muxed.inbound
        return !self.isInputClosed && isFinished && bytes > 0
    }

    /// Delivers what has arrived, as long as handlers want to read.
    private func deliver() {
        guard !self.isDelivering else { return }
        self.isDelivering = true
        defer { self.isDelivering = false }
        // After so many buffers other channels of the loop get their turn.
        for _ in 0..<self.options.maxMessagesPerRead {
            guard self.lifecycle == .active, self.isReadWanted else { return }
            switch self.stream.muxed.tryRead(upTo: Self.maximumRead) {
            case .bytes(let bytes):
                self.isReadWanted = false
                self.pipeline.syncOperations.fireChannelRead(NIOAny(bytes))
                self.pipeline.fireChannelReadComplete()
                if self.options.autoRead, self.lifecycle == .active { self.pipeline.read() }
            case .wait:
                return
            case .end:
                self.inputEnded()
                return
            case .failed(let error):
                self.fail(error)
                return
            }
        }
        if self.isReadWanted { self.queueLook() }
    }

    private func inputEnded() {
        self.isInputClosed = true
        self.isReadWanted = false
        guard self.options.allowRemoteHalfClosure else {
            self.close0(error: ChannelError.eof, mode: .all, promise: nil)
            return
        }
        self.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        self.closeIfBothEnded()
    }

    /// The stream broke: handlers hear why, and the channel is over.
    private func fail(_ error: StreamError) {
        self.pipeline.fireErrorCaught(error)
        self.close0(error: error, mode: .all, promise: nil)
    }

    // MARK: Writing

    /// Keeps bytes until the flush.
    public func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.lifecycle != .closed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        guard self.output == .open else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        self.writes.append(self.unwrapData(data, as: ByteBuffer.self), promise: promise)
        if self.writes.byteCount > self.options.waterMark.high, self.publish(isWritable: false) {
            self.pipeline.fireChannelWritabilityChanged()
        }
    }

    /// Hands what was written to the stream.
    public func flush0() {
        guard self.lifecycle == .active else { return }
        self.writes.mark()
        self.takeFlushed()
    }

    /// Gives flushed writes to the stream while it has room.
    private func takeFlushed() {
        guard !self.isFlushing else { return }
        self.isFlushing = true
        defer { self.isFlushing = false }
        while self.writes.hasFlushed, self.stream.muxed.writableBytes > 0, let (bytes, promise) = self.writes.popFlushed() {
            switch self.stream.muxed.tryWrite(bytes) {
            case .failed(let error):
                promise?.fail(error)
                if self.hasRest { continue }
                self.fail(error)
                return
            default:
                promise?.succeed()
            }
        }
        self.finishIfDrained()
        if self.writes.byteCount <= self.options.waterMark.low, self.publish(isWritable: true), self.lifecycle == .active {
            self.pipeline.fireChannelWritabilityChanged()
        }
    }

    // MARK: Ending

    /// The half-close goes behind the last write that was flushed.
    private func finishIfDrained() {
        guard self.output == .closing, !self.writes.hasFlushed else { return }
        for promise in self.writes.removeAll() { promise.fail(ChannelError.outputClosed) }
        guard case .failed(let error) = self.stream.muxed.tryFinish() else { return }
        // Handlers still read what the peer had said; nobody hears this end.
        self.output = .closed
        let promises = self.outputPromises
        self.outputPromises = []
        for promise in promises { promise.fail(error) }
    }

    /// The half-close is complete when it has left.
    private func completeOutput() {
        guard self.output == .closing, self.stream.muxed.hasFinishLeft else { return }
        self.output = .closed
        let promises = self.outputPromises
        self.outputPromises = []
        for promise in promises { promise.succeed() }
        self.pipeline.fireUserInboundEventTriggered(ChannelEvent.outputClosed)
        self.closeIfBothEnded()
    }

    private func closeIfBothEnded() {
        if self.lifecycle == .active, self.isInputClosed, self.output == .closed {
            self.close0(error: ChannelError.eof, mode: .all, promise: nil)
        }
    }

    /// Finishes the stream (`.output`), stops reading (`.input`) or ends it.
    public func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard self.lifecycle != .closed else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .all: self.closeAll(error: error, promise: promise)
        case .output: self.closeOutput(promise: promise)
        case .input:
            guard !self.isInputClosed else {
                promise?.fail(ChannelError.inputClosed)
                return
            }
            self.isInputClosed = true
            self.isReadWanted = false
            self.stream.stopReading()
            promise?.succeed()
            self.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            self.closeIfBothEnded()
        }
    }

    private func closeOutput(promise: EventLoopPromise<Void>?) {
        switch self.output {
        case .closed:
            promise?.fail(ChannelError.outputClosed)
        case .closing:
            if let promise { self.outputPromises.append(promise) }
        case .open:
            self.output = .closing
            if let promise { self.outputPromises.append(promise) }
            self.finishIfDrained()
            // It may have left at once, and nobody needs to be surprised by an event within the call.
            self.queueLook()
        }
    }

    private func closeAll(error: any Error, promise: EventLoopPromise<Void>?) {
        let wasActive = self.lifecycle == .active
        self.lifecycle = .closed
        self.publish(isActive: false)
        self.stream.muxed.observe(nil)
        let isWhole = self.writes.isEmpty && self.stream.muxed.failure == nil && !(error is StreamError)
        if isWhole, wasActive {
            _ = self.stream.muxed.tryFinish()
            self.stream.stopReading()
        } else {
            self.stream.reset()
        }
        let abandoned = self.writes.removeAll() + self.outputPromises
        self.outputPromises = []
        for promise in abandoned { promise.fail(error) }
        promise?.succeed()
        if wasActive {
            self.pipeline.fireChannelInactive()
            self.pipeline.fireChannelUnregistered()
        }
        // Handlers may still be on their way through the pipeline.
        self.eventLoop.execute { self.completeClose() }
    }
}
