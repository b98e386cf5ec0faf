import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import NIOPosix
import P2P
import P2PPipeline
import Synchronization

/// gRPC over streams of peers: a stream carries one HTTP/2 connection, and that any number of calls. TLS is not needed: the connection below is
/// encrypted, and both sides have proved who they are.
enum CallsOverStreams {
    static let protocolID: ProtocolID = "/example/grpc/1.0.0"

    /// A transport for calls to the peer of a connection.
    static func client(to connection: PeerConnection) async throws -> HTTP2ClientTransport.WrappedChannel {
        let stream = try await connection.openStream(self.protocolID)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.any()
        return try await .wrapping(config: .defaults { $0.http2.authority = "\(connection.remotePeer)" }) { configure in
            let channel = StreamChannel(stream, on: eventLoop)
            return try await eventLoop.flatSubmit {
                configure(channel).map { configured in
                    channel.activate()
                    return configured
                }
            }.get()
        }
    }

    /// A transport that serves the calls of peers, once its listener is served by a host.
    static func server(_ listener: StreamListener) -> HTTP2ServerTransport.Custom<StreamListener> {
        HTTP2ServerTransport.Custom(listenerFactory: listener)
    }
}

/// Takes streams of peers, and hands them to gRPC as a listening socket hands it connections.
///
/// The peer's id is `ServerContext.remotePeer`, as `unix:12D3Koo…`: gRPC knows addresses of sockets alone.
final class StreamListener: HTTP2ServerTransport.ListenerFactory, ProtocolHandler {
    let protocolIDs = [CallsOverStreams.protocolID]
    /// HTTP/2 needs one; a second one may come while the first has not noticed yet that its connection is gone.
    let limits = StreamLimits(inboundPerPeer: 4)
    let eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

    private let channel = Mutex<ArrivalChannel?>(nil)

    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator, connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never> {
        let channel = ArrivalChannel(on: self.eventLoopGroup.any())
        let listening = try await channel.eventLoop.flatSubmit {
            listenerConfigurator.configure(channel: channel).flatMapThrowing {
                try channel.pipeline.syncOperations.addHandler(ConnectionPreparation(connectionConfigurator))
                return try NIOAsyncChannel<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never>(
                    wrappingChannelSynchronously: channel)
            }
        }.get()
        self.channel.withLock { $0 = channel }
        return listening
    }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        guard let listening = self.channel.withLock({ $0 }) else { return stream.reset() }
        let peer = try? SocketAddress(unixDomainSocketPath: "\(connection.remotePeer)")
        let channel = StreamChannel(stream, on: listening.eventLoop, remoteAddress: peer)
        listening.deliver(channel)
        try await withTaskCancellationHandler {
            try await channel.closeFuture.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}

/// Makes a gRPC connection of a stream that has arrived, before anything is read from it.
private final class ConnectionPreparation: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel

    private let configurator: HTTP2ServerTransport.ConnectionConfigurator

    init(_ configurator: HTTP2ServerTransport.ConnectionConfigurator) { self.configurator = configurator }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let channel = self.unwrapInboundIn(data) as? StreamChannel else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.configurator.configure(channel: channel, tls: .none).whenComplete { outcome in
            let (handler, context) = bound.value
            switch outcome {
            case .success(let connection):
                context.fireChannelRead(handler.wrapInboundOut(connection))
                context.fireChannelReadComplete()
                channel.activate()
            case .failure: channel.close(promise: nil)
            }
        }
    }
}
