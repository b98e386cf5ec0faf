import NIOCore
import P2PCore
import P2PPipeline

/// Takes a proxy's header off the front of a connection, holds back what came behind it, and goes away when somebody wants to read.
final class ProxyHeaderGate: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long a proxy has for its header; those that send one do so at once.
    static let patience = TimeAmount.seconds(5)

    private var held = ByteBuffer()
    /// Nil once it is known what the first bytes are.
    private var promise: EventLoopPromise<ProxyHeader?>?
    private var timer: Scheduled<Void>?

    /// - Parameter promise: gets the header; nil where there is none.
    init(promise: EventLoopPromise<ProxyHeader?>) {
        self.promise = promise
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(in: Self.patience) {
            bound.value.gate.fail(ProxyHeaderError(.closed, "a proxy did not say in time for whom it connects"))
            bound.value.context.close(promise: nil)
        }
        if context.channel.isActive { context.read() }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        if self.promise != nil { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        if self.held.readableBytes == 0 { self.held = bytes } else { self.held.writeBuffer(&bytes) }
        guard self.promise != nil else { return }
        do throws(ProxyHeaderError) {
            switch try ProxyHeader.read(self.held) {
            case .more: break
            case .none: self.succeed(nil)
            case .header(let header, let length):
                self.held.moveReaderIndex(forwardBy: length)
                self.succeed(header)
            }
        } catch {
            self.fail(error)
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.promise != nil { context.read() }
    }

    /// Whoever reads stands behind this handler by now.
    func read(context: ChannelHandlerContext) {
        guard self.promise == nil else { return }
        let bytes = self.held
        self.held = ByteBuffer()
        if bytes.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(bytes))
            context.fireChannelReadComplete()
        }
        // Whoever got all it needs may have stopped the reading again.
        if (try? context.channel.syncOptions?.getOption(.autoRead)) ?? true { context.read() }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func succeed(_ header: ProxyHeader?) {
        self.timer?.cancel()
        self.promise.take()?.succeed(header)
    }

    private func fail(_ error: ProxyHeaderError) {
        self.timer?.cancel()
        self.promise.take()?.fail(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail(ProxyHeaderError(.closed, "the connection ended before it was said whose it is"))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.fail(ProxyHeaderError(.closed, "the connection was taken down before it was said whose it is"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(ProxyHeaderError(.closed, "the connection broke before it was said whose it is", cause: error))
        context.fireErrorCaught(error)
    }
}

extension ProxyHeaderGate {
    /// Has the gate hand on what it holds, once whoever takes it is there: turning on the reading alone asks the socket, and not the gate.
    struct Opening: ChannelPreparation {
        func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
            promise.succeed()
            channel.read()
        }
    }
}
