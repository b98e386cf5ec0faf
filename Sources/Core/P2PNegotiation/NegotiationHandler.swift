package import NIOCore
package import P2PCore

/// Runs a ``Negotiation`` on a channel, then hands what is left to the handlers behind it and goes away.
package final class NegotiationHandler: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum State {
        case waiting
        case negotiating
        /// Agreement was assumed when the only proposal was sent; its answer is still to come.
        case assumed
        case done
    }

    private var state = State.waiting
    private var negotiation: Negotiation
    private var opening: ByteBuffer
    private let assumed: ProtocolID?
    private var input = ByteBuffer()
    private let onVerdict: (Result<ProtocolID, NegotiationError>) -> Void

    /// The side that proposes.
    ///
    /// - Parameters:
    ///   - lazily: with a single proposal, do not wait for the answer: whatever is written next travels with it.
    ///   - hasSaidHeader: whether this side's header was sent before.
    ///   - onVerdict: called on the event loop; with success before any further byte is passed on, so that it can
    ///     install the next handler. After an assumed agreement it may be called again, with a failure.
    package init(
        proposing protocols: [ProtocolID], lazily: Bool, hasSaidHeader: Bool = false,
        onVerdict: @escaping (Result<ProtocolID, NegotiationError>) -> Void
    ) {
        var opening = ByteBuffer()
        self.negotiation = Negotiation(proposing: NegotiationTable(protocols), hasSaidHeader: hasSaidHeader, opening: &opening)
        self.opening = opening
        self.assumed = lazily && protocols.count == 1 ? protocols.first : nil
        self.onVerdict = onVerdict
    }

    /// The side that chooses.
    ///
    /// - Parameter hasSaidHeader: whether this side's header was sent before.
    package init(
        accepting protocols: [ProtocolID], hasSaidHeader: Bool = false,
        onVerdict: @escaping (Result<ProtocolID, NegotiationError>) -> Void
    ) {
        self.negotiation = Negotiation(accepting: NegotiationTable(protocols), hasSaidHeader: hasSaidHeader)
        self.opening = ByteBuffer()
        self.assumed = nil
        self.onVerdict = onVerdict
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.begin(context: context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        self.begin(context: context)
        context.fireChannelActive()
    }

    private func begin(context: ChannelHandlerContext) {
        guard self.state == .waiting else { return }
        self.state = .negotiating
        guard self.opening.readableBytes > 0 else { return }
        context.write(self.wrapOutboundOut(self.opening), promise: nil)
        if let assumed = self.assumed {
            self.state = .assumed
            self.onVerdict(.success(assumed))
        }
        context.flush()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.state != .done else {
            context.fireChannelRead(data)
            return
        }
        var bytes = self.unwrapInboundIn(data)
        if self.input.readableBytes == 0 { self.input = bytes } else { self.input.writeBuffer(&bytes) }
        var reply = ByteBuffer()
        let progress = self.negotiation.received(&self.input, reply: &reply)
        if reply.readableBytes > 0 { context.writeAndFlush(self.wrapOutboundOut(reply), promise: nil) }
        switch progress {
        case .more: break
        case .agreed(let protocolID): self.agreed(protocolID, context: context)
        case .failed(let error): self.fail(error, context: context)
        }
    }

    private func agreed(_ protocolID: ProtocolID, context: ChannelHandlerContext) {
        let wasAssumed = self.state == .assumed
        self.state = .done
        if !wasAssumed { self.onVerdict(.success(protocolID)) }
        if self.input.readableBytes > 0 {
            let rest = self.input
            self.input = ByteBuffer()
            context.fireChannelRead(self.wrapInboundOut(rest))
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func fail(_ error: NegotiationError, context: ChannelHandlerContext) {
        self.state = .done
        self.input = ByteBuffer()
        self.onVerdict(.failure(error))
        context.close(promise: nil)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        if self.state != .done {
            self.state = .done
            self.onVerdict(.failure(NegotiationError(.unexpectedEnd, "the peer closed during the negotiation of a protocol")))
        }
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if self.state != .done {
            self.state = .done
            self.onVerdict(
                .failure(NegotiationError(.unexpectedEnd, "the channel broke during the negotiation of a protocol", cause: error)))
        }
        context.fireErrorCaught(error)
    }
}
