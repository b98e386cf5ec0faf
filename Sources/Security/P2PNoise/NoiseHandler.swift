import NIOCore
import P2PCore
import P2PPipeline

/// Runs a ``NoiseSession`` on a channel.
///
/// Inbound, each record becomes one `channelRead`. Outbound, muxers call it as a ``RecordWriter``;
/// what others write through the pipeline is cut into records and copied. An error closes the channel.
final class NoiseHandler: ChannelDuplexHandler, RecordWriter {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let layout = RecordLayout(
        headroom: NoiseLimits.prefix, tailroom: NoiseLimits.tag, maximumPayload: NoiseLimits.maximumPlaintext)

    private var session: NoiseSession
    private let pool: RecordPool
    /// Who waits for the handshake; nil once it has heard.
    private var promise: EventLoopPromise<SecuredChannel>?
    private var context: ChannelHandlerContext?
    private var hasStarted = false
    /// Whether anything was passed on since the last `channelReadComplete`.
    private var hasDelivered = false

    init(session: consuming NoiseSession, pool: RecordPool = RecordPool(), promise: EventLoopPromise<SecuredChannel>?) {
        self.session = session
        self.pool = pool
        self.promise = promise
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.start(context: context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.refuse(NoiseError(.closed, "the channel was taken down before the handshake was done"))
    }

    func channelActive(context: ChannelHandlerContext) {
        self.start(context: context)
        context.fireChannelActive()
    }

    private func start(context: ChannelHandlerContext) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        do throws(NoiseError) {
            guard let message = try self.session.start() else { return }
            context.writeAndFlush(self.wrapOutboundOut(message), promise: nil)
        } catch {
            self.fail(error, context: context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        do throws(NoiseError) {
            try self.session.inputClosed()
        } catch {
            self.report(error, context: context)
        }
        self.session.close()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            do throws(NoiseError) {
                try self.session.inputClosed()
            } catch {
                self.fail(error, context: context)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.refuse(NoiseError(.closed, "the channel broke before the handshake was done", cause: error))
        context.fireErrorCaught(error)
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = self.unwrapInboundIn(data)
        do throws(NoiseError) {
            while input.readableBytes > 0 {
                switch try self.session.received(&input) {
                case .none:
                    break
                case .send(let message):
                    context.writeAndFlush(self.wrapOutboundOut(message), promise: nil)
                case .secured(let peer, let message):
                    if let message { context.write(self.wrapOutboundOut(message), promise: nil) }
                    self.secured(peer)
                    // What the next handler has written by now leaves together with the last message.
                    context.flush()
                case .record(let record):
                    self.hasDelivered = true
                    context.fireChannelRead(self.wrapInboundOut(record))
                    self.pool.recycle(record)
                }
            }
        } catch {
            self.fail(error, context: context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // A read that completed no record is nothing to whoever asked for it, so ask again.
        if !self.hasDelivered { context.read() }
        self.hasDelivered = false
    }

    private func secured(_ peer: NoiseSession.SecuredPeer) {
        let promise = self.promise
        self.promise = nil
        promise?.assumeIsolated().succeed(
            SecuredChannel(
                remotePeer: peer.peer, remoteKey: peer.key, earlyMuxer: peer.earlyMuxer, appMetadata: peer.metadata, records: self))
    }

    // MARK: Outbound

    func write(_ record: consuming ByteBuffer, promise: EventLoopPromise<Void>?) {
        guard let context = self.context else {
            promise?.fail(NoiseError(.closed, "the channel was taken down"))
            return
        }
        do throws(NoiseError) {
            try self.session.seal(&record)
        } catch {
            promise?.fail(error)
            if error.code != .outOfTurn, error.code != .closed { self.fail(error, context: context) }
            return
        }
        context.write(self.wrapOutboundOut(record), promise: promise)
        self.pool.recycle(record)
    }

    func makeRecord(payload: Int) -> ByteBuffer {
        var record = self.pool.take(capacity: self.layout.headroom + payload + self.layout.tailroom)
        record.moveWriterIndex(forwardBy: self.layout.headroom)
        record.moveReaderIndex(forwardBy: self.layout.headroom)
        return record
    }

    func flush() {
        self.context?.flush()
    }

    var partialRecord: Int { self.session.partialRecord }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var plaintext = self.unwrapOutboundIn(data)
        if plaintext.readableBytes == 0 {
            context.write(self.wrapOutboundOut(plaintext), promise: promise)
            return
        }
        while var piece = plaintext.readSlice(length: min(plaintext.readableBytes, NoiseLimits.maximumPlaintext)) {
            // Writes succeed in order and fail together, so the last record's promise speaks for all.
            let isLast = plaintext.readableBytes == 0
            self.write(RecordSealer.copy(of: &piece), promise: isLast ? promise : nil)
            if isLast { return }
        }
    }

    // MARK: Failure

    /// Reports the error and closes the channel.
    private func fail(_ error: NoiseError, context: ChannelHandlerContext) {
        self.session.close()
        self.report(error, context: context)
        context.close(promise: nil)
    }

    private func report(_ error: NoiseError, context: ChannelHandlerContext) {
        self.refuse(error)
        context.fireErrorCaught(error)
    }

    /// Tells whoever waits for the handshake that it failed.
    private func refuse(_ error: NoiseError) {
        let promise = self.promise
        self.promise = nil
        promise?.fail(Self.transportError(error))
    }

    private static func transportError(_ error: NoiseError) -> TransportError {
        switch error.code {
        case .peerMismatch: TransportError(.peerMismatch, error.message, cause: error)
        case .truncated, .closed: TransportError(.closed, "Noise: \(error.message)", cause: error)
        default: TransportError(.securityFailed, "Noise: \(error.message)", cause: error)
        }
    }
}
