import NIOCore
import NIOSSL
import NIOTLS

/// The place next to the socket: what is closed from here is closed at once, whatever TLS would still say.
final class SocketHeadHandler: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    /// Closes the channel's socket. On its loop.
    static func close(_ channel: any Channel) {
        guard let context = try? channel.pipeline.syncOperations.context(handlerType: SocketHeadHandler.self) else { return }
        context.close(mode: .all, promise: nil)
    }
}

/// Tells a connection's core what happens on its channel, and keeps it until there is one.
final class TCPSocketHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum Early {
        case bytes(ByteBuffer), end, failure(any Error), gone
    }

    private var core: TCPSocketCore?
    /// What came before the core: nothing is read then but a handshake, and what the kernel has when the other side finishes.
    private var early: [Early] = []
    private var usesTLS: Bool
    private var serverName: String?
    private var ready: EventLoopPromise<Void>?

    /// - Parameters:
    ///   - serverName: what the certificate has to be for, if it has to be for a name.
    ///   - ready: kept when the connection can be used.
    init(usesTLS: Bool, serverName: String? = nil, ready: EventLoopPromise<Void>) {
        self.usesTLS = usesTLS
        self.serverName = serverName
        self.ready = ready
    }

    /// From now on the core hears of everything, first of what has been.
    func attach(_ core: TCPSocketCore, _ channel: any Channel) {
        self.core = core
        let early = self.early
        self.early = []
        for event in early { self.tell(core, event, channel) }
    }

    /// TLS begins on an open connection.
    func awaitHandshake(_ promise: EventLoopPromise<Void>, serverName: String?) {
        self.usesTLS = true
        self.serverName = serverName
        self.ready = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        if !self.usesTLS { self.becomeReady(.success(())) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.core == nil { try? context.channel.syncOptions?.setOption(.autoRead, value: false) }
        self.handle(.bytes(self.unwrapInboundIn(data)), context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: self.handle(.end, context)
        case TLSUserEvent.handshakeCompleted:
            if self.core == nil { try? context.channel.syncOptions?.setOption(.autoRead, value: false) }
            self.handshakeEnded(context)
        default: break
        }
    }

    private func handshakeEnded(_ context: ChannelHandlerContext) {
        guard let name = self.serverName else { return self.becomeReady(.success(())) }
        let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
        guard let certificate = tls?.peerCertificate, ServerName(name).isNamed(in: certificate) else {
            return self.errorCaught(context: context, error: SocketError(.tls, "the certificate is not for \(name)"))
        }
        self.becomeReady(.success(()))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.becomeReady(.failure(error))
        self.handle(.failure(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.becomeReady(.failure(SocketError(.reset, "the connection ended before it was ready")))
        self.handle(.gone, context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.becomeReady(.failure(SocketError.wasClosed))
    }

    private func becomeReady(_ result: Result<Void, any Error>) {
        guard let ready = self.ready.take() else { return }
        ready.completeWith(result)
    }

    private func handle(_ event: Early, _ context: ChannelHandlerContext) {
        if let core = self.core { self.tell(core, event, context.channel) } else { self.early.append(event) }
    }

    private func tell(_ core: TCPSocketCore, _ event: Early, _ channel: any Channel) {
        switch event {
        case .bytes(let bytes): core.received(bytes, channel)
        case .end: core.inputEnded(channel)
        case .failure(let error): core.failed(SocketError(error, "the connection failed"), channel)
        case .gone: core.gone()
        }
    }
}
