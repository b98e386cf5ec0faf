#if TLS
    import NIOCore
    import NIOSSL
    import NIOTLS
    import P2PCore
    import P2PPipeline

    /// Stands behind the library's handler: says who the peer is when the handshake is done, takes a muxer's records, and gives
    /// errors their names.
    final class TLSHandler: ChannelInboundHandler, RecordWriter {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer
        typealias OutboundOut = ByteBuffer

        /// TLS cuts, seals and copies what it is given, so that no room is needed.
        let layout = RecordLayout(headroom: 0, tailroom: 0, maximumPayload: TLSLimits.maximumPayload)

        /// In front of the library's handler while the handshake lasts.
        var gate: TLSGate?
        /// The library's handler.
        var library: NIOSSLHandler?
        private let pool: RecordPool
        private var handshake: TLSHandshake?
        /// Who waits for the handshake; nil once it has heard.
        private var promise: EventLoopPromise<SecuredChannel>?
        private var context: ChannelHandlerContext?
        private var hasFailed = false
        /// Bytes that the library was given and has not sealed yet.
        private var unflushed = 0

        init(handshake: TLSHandshake, promise: EventLoopPromise<SecuredChannel>) {
            self.pool = handshake.pool
            self.handshake = handshake
            self.promise = promise
        }

        /// Whether the handshake has ended, well or not.
        var isOver: Bool { self.promise == nil }

        // MARK: Life

        func handlerAdded(context: ChannelHandlerContext) {
            self.context = context
        }

        func handlerRemoved(context: ChannelHandlerContext) {
            self.context = nil
            self.library = nil
            self.refuse(TLSError(.closed, "the channel was taken down before the handshake was done"))
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.refuse(TLSError(.truncated, "the connection ended before the handshake was done"))
            context.fireChannelInactive()
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            switch event {
            case TLSUserEvent.handshakeCompleted(let name):
                self.finish(name: name, context: context)
            case ChannelEvent.inputClosed where !self.isOver:
                self.fail(TLSError(.truncated, "the connection ended before the handshake was done"), context: context)
            default:
                context.fireUserInboundEventTriggered(event)
            }
        }

        private func finish(name: String?, context: ChannelHandlerContext) {
            guard let handshake = self.handshake, let promise = self.promise else { return }
            do throws(TLSError) {
                let secured = try handshake.finish(name: name, certificate: self.library?.peerCertificate, records: self)
                self.promise = nil
                self.handshake = nil
                self.removeGate(context: context)
                promise.assumeIsolated().succeed(secured)
            } catch {
                self.fail(error, context: context)
            }
        }

        private func removeGate(context: ChannelHandlerContext) {
            if let gate = self.gate { context.pipeline.syncOperations.removeHandler(gate, promise: nil) }
            self.gate = nil
        }

        // MARK: Failure

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            guard !self.hasFailed else { return }
            if self.isOver {
                self.hasFailed = true
                context.fireErrorCaught(TLSError.isForeign(error) ? error : TLSError(error, isSecured: true))
            } else {
                self.fail(self.handshake?.refusal ?? TLSError(error, isSecured: false), context: context)
            }
        }

        private func fail(_ error: TLSError, context: ChannelHandlerContext) {
            self.refuse(error)
            context.close(promise: nil)
        }

        /// Tells whoever waits for the handshake that it failed.
        func refuse(_ error: TLSError) {
            guard let promise = self.promise else { return }
            self.hasFailed = true
            self.promise = nil
            self.handshake = nil
            self.gate = nil
            promise.fail(error.transportError)
        }

        // MARK: Inbound

        /// Hands on what the library has opened, in buffers of a record's size.
        ///
        /// The library gathers a whole read in one buffer, which it uses again. A stream that keeps a slice of it would have to copy the slice
        /// into fresh memory, or the library its buffer.
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var plaintext = self.unwrapInboundIn(data)
            guard plaintext.readableBytes > RecordPool.smallCapacity else {
                context.fireChannelRead(data)
                return
            }
            while plaintext.readableBytes > 0 {
                let count = min(plaintext.readableBytes, TLSLimits.maximumPayload)
                var record = self.pool.take(capacity: count)
                guard var piece = plaintext.readSlice(length: count) else { return }
                record.writeBuffer(&piece)
                context.fireChannelRead(self.wrapInboundOut(record))
                self.pool.recycle(record)
            }
        }

        // MARK: Outbound

        func makeRecord(payload: Int) -> ByteBuffer {
            self.pool.take(capacity: payload)
        }

        func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?) {
            guard let context = self.context else {
                promise?.fail(TLSError(.closed, "the channel was taken down"))
                return
            }
            self.unflushed += record.readableBytes
            context.write(self.wrapOutboundOut(record), promise: promise)
            // The library seals only when it is flushed. Until then the channel would not know how much there is, and never say
            // that it has enough.
            if self.unflushed >= TLSLimits.maximumPayload { self.flush() }
            self.pool.recycle(record)
        }

        func flush() {
            self.unflushed = 0
            self.context?.flush()
        }
    }
#endif
