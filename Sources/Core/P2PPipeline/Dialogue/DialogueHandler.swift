package import NIOCore
import P2PCore

/// Runs a dialogue on a channel, then puts a successor in its place, if there is one, and passes on what came behind.
package final class DialogueHandler<Dialogue: ChannelDialogue>: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private var dialogue: Dialogue
    /// Nil once the dialogue is over.
    private var promise: EventLoopPromise<Void>?
    private let successor: ((any EventLoop) -> any ChannelHandler)?
    private var hasBegun = false

    /// - Parameters:
    ///   - promise: completed when the dialogue is done, before what came behind it is passed on; fails with a ``TransportError``.
    ///   - successor: makes the handler that takes the place of this one.
    package init(
        _ dialogue: Dialogue, promise: EventLoopPromise<Void>, successor: ((any EventLoop) -> any ChannelHandler)? = nil
    ) {
        self.dialogue = dialogue
        self.promise = promise
        self.successor = successor
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.begin(context: context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        self.begin(context: context)
        context.fireChannelActive()
    }

    private func begin(context: ChannelHandlerContext) {
        guard !self.hasBegun else { return }
        self.hasBegun = true
        if let opening = self.dialogue.opening { context.writeAndFlush(self.wrapOutboundOut(opening), promise: nil) }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        do throws(TransportError) {
            while let promise = self.promise {
                switch try self.dialogue.received(&bytes) {
                case .more: return
                case .send(let message): context.writeAndFlush(self.wrapOutboundOut(message), promise: nil)
                case .done: try self.succeed(promise, leftover: bytes, context: context)
                }
            }
        } catch {
            self.fail(error)
            context.close(promise: nil)
        }
    }

    private func succeed(
        _ promise: EventLoopPromise<Void>, leftover: ByteBuffer, context: ChannelHandlerContext
    ) throws(TransportError) {
        if let successor = self.successor {
            do {
                try context.pipeline.syncOperations.addHandler(successor(context.eventLoop), position: .after(self))
            } catch {
                throw self.dialogue.failure(.takenDown)
            }
        }
        self.promise = nil
        promise.assumeIsolated().succeed(())
        if leftover.readableBytes > 0 { context.fireChannelRead(self.wrapInboundOut(leftover)) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // What the dialogue took was no answer to whoever asked for a read.
        if self.promise != nil { context.read() }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        self.fail(self.dialogue.failure(.closed))
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.fail(self.dialogue.failure(.takenDown))
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(self.dialogue.failure(.broken(error)))
        context.fireErrorCaught(error)
    }

    private func fail(_ error: TransportError) {
        let promise = self.promise
        self.promise = nil
        promise?.fail(error)
    }
}
