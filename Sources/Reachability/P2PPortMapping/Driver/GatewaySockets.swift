import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr

/// Opens what a round of port mapping speaks through.
enum GatewaySockets {
    static let gatewayPort: UInt16 = 5_351
    /// Where gateways announce that they have begun anew: all hosts of the network.
    static let announcements = (group: UInt32(0xe000_0001), port: UInt16(5_350))
    private static let searchHops: CUnsignedChar = 2

    /// A socket that hears the gateway alone: what others send to it, the system drops.
    static func gateway(
        _ network: MappingNetwork, on eventLoop: any EventLoop, _ handler: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void
    ) -> EventLoopFuture<any Channel> {
        self.open(on: eventLoop, capacity: PCPMessage.maximumLength + 1, handler: handler) { bootstrap in
            let gateway = try network.socketAddress(network.gateway, port: self.gatewayPort)
            guard !network.client.isIPv4 else { return bootstrap.connect(to: gateway) }
            // From the very address that is to be opened, which the system would not choose for a link-local gateway.
            return try bootstrap.bind(to: SocketAddress(network.client, port: 0)).flatMap { channel in
                channel.connect(to: gateway).map { channel }
            }
        }
    }

    /// A socket that searches on the gateway's network.
    static func search(
        _ network: MappingNetwork, on eventLoop: any EventLoop, _ handler: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void
    ) -> EventLoopFuture<any Channel> {
        self.open(on: eventLoop, capacity: MappingLimits.searchAnswerLength + 1, handler: handler) { bootstrap in
            try bootstrap.bind(to: SocketAddress(network.client, port: 0))
        }.flatMap { channel in
            guard let options = channel as? any SocketOptionProvider else { return eventLoop.makeSucceededFuture(channel) }
            guard network.client.isIPv4 else {
                return options.setIPv6MulticastIF(network.scope).flatMap { options.setIPv6MulticastHops(CInt(self.searchHops)) }
                    .map { channel }
            }
            // The system wants the address in network byte order.
            let number = UInt32(bigEndian: network.client.bytes.reduce(0) { $0 << 8 | UInt32($1) })
            return options.unsafeSetSocketOption(level: .ip, name: .ip_multicast_if, value: number)
                .flatMap { options.setIPMulticastTTL(self.searchHops) }.map { channel }
        }
    }

    /// A socket that hears what gateways announce.
    static func announcements(
        on eventLoop: any EventLoop, _ handler: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void
    ) -> EventLoopFuture<any Channel> {
        self.open(on: eventLoop, capacity: PCPMessage.maximumLength + 1, handler: handler) { bootstrap in
            // Bound to the group, it gets nothing else. Others on this machine may listen, too.
            try bootstrap.channelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(to: SocketAddress(IPAddress(v4: self.announcements.group), port: self.announcements.port))
        }
    }

    private static func open(
        on eventLoop: any EventLoop, capacity: Int, handler: @escaping @Sendable (ByteBuffer, SocketAddress) -> Void,
        _ open: (DatagramBootstrap) throws -> EventLoopFuture<any Channel>
    ) -> EventLoopFuture<any Channel> {
        let bootstrap = DatagramBootstrap(group: eventLoop)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: capacity))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(GatewayDatagrams(handler)) }
            }
        do { return try open(bootstrap) } catch { return eventLoop.makeFailedFuture(error) }
    }
}

/// Hands datagrams on.
private final class GatewayDatagrams: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let onDatagram: (ByteBuffer, SocketAddress) -> Void

    init(_ onDatagram: @escaping (ByteBuffer, SocketAddress) -> Void) {
        self.onDatagram = onDatagram
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        self.onDatagram(envelope.data, envelope.remoteAddress)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

/// One request to a gateway, and its reply, within time and size.
final class GatewayExchange: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var reader: HTTPReplyReader
    private let request: HTTPRequest
    private let promise: EventLoopPromise<HTTPReply>
    private var isDone = false

    private init(_ request: HTTPRequest, _ promise: EventLoopPromise<HTTPReply>) {
        self.request = request
        self.reader = HTTPReplyReader(bodyLimit: request.bodyLimit)
        self.promise = promise
    }

    /// Connects, asks, and reads the reply; fails with a ``GatewayError``.
    static func run(_ request: HTTPRequest, _ network: MappingNetwork, on eventLoop: any EventLoop) -> EventLoopFuture<HTTPReply> {
        let promise = eventLoop.makePromise(of: HTTPReply.self)
        let deadline = eventLoop.scheduleTask(in: MappingLimits.requestPatience) {
            promise.fail(GatewayError("it does not answer in time"))
        }
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(MappingLimits.requestPatience)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(GatewayExchange(request, promise))
                }
            }
        let connected: EventLoopFuture<any Channel>
        do {
            let gateway = try network.socketAddress(request.url.host, port: request.url.port)
            // A firewall is opened for the very address that asks.
            let bound = network.client.isIPv4 ? bootstrap : bootstrap.bind(to: try SocketAddress(network.client, port: 0))
            connected = bound.connect(to: gateway)
        } catch {
            connected = eventLoop.makeFailedFuture(error)
        }
        connected.whenFailure { _ in promise.fail(GatewayError("nobody answers at \(request.url.authority)")) }
        promise.futureResult.whenComplete { _ in
            deadline.cancel()
            connected.whenSuccess { $0.close(promise: nil) }
        }
        return promise.futureResult
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: self.request.bytes)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isDone else { return }
        var bytes = self.unwrapInboundIn(data)
        do throws(GatewayError) {
            guard let reply = try self.reader.received(&bytes) else { return }
            self.isDone = true
            self.promise.succeed(reply)
        } catch {
            self.isDone = true
            self.promise.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard !self.isDone else { return }
        self.isDone = true
        do throws(GatewayError) { self.promise.succeed(try self.reader.ended()) } catch { self.promise.fail(error) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

extension MappingNetwork {
    /// An address on this network, or a group of this link's.
    func socketAddress(_ ip: IPAddress, port: UInt16) throws -> SocketAddress {
        let address = try SocketAddress(ip, port: port)
        return ip.isLinkLocal || ip.isMulticast ? address.scoped(to: self.scope) : address
    }
}

extension SocketAddress {
    init(_ ip: IPAddress, port: UInt16) throws {
        self = try SocketAddress(packedIPAddress: ByteBuffer(bytes: ip.bytes), port: Int(port))
    }
}
