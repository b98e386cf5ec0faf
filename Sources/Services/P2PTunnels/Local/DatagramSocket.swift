import NIOCore
import NIOPosix
import P2PCore
import P2PSystem

/// A socket of datagrams to one target, and the flow that it serves.
final class DatagramSocket: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// Bytes that one datagram may have.
    static let maximumSize = 65_535
    /// The port of name servers.
    static let lookupPort = 53

    private let place: TunnelLedger.Place
    private let isLookup: Bool
    /// Set before the channel reads.
    private(set) var flow: DatagramFlow!
    private var channel: (any Channel)?
    private var room = DatagramRoom()

    private init(place: TunnelLedger.Place, isLookup: Bool) {
        self.place = place
        self.isLookup = isLookup
    }

    /// Connects it; it reads when it runs.
    ///
    /// - Parameter idle: what the peer asks for.
    static func connect(
        to address: SocketAddress, stream: PeerStream, place: TunnelLedger.Place, on eventLoop: any EventLoop,
        configuration: TunnelConfiguration, idle: Duration?
    ) async throws(TunnelError) -> DatagramSocket {
        let isLookup = address.port == Self.lookupPort
        let socket = DatagramSocket(place: place, isLookup: isLookup)
        do {
            let channel = try await DatagramBootstrap(group: eventLoop).forTunnel()
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.leaveReserve(for: .dial)
                        channel.widenDatagramRoom()
                        try channel.pipeline.syncOperations.addHandler(socket)
                    }
                }
                .connect(to: address).get()
            socket.channel = channel
            socket.flow = DatagramFlow(
                stream, idle: TimeAmount(configuration.datagramSilence(asked: idle)),
                answeredIdle: isLookup ? TimeAmount(configuration.lookupIdle) : nil, place: place, on: eventLoop
            ) { payload in
                if channel.makesRoomForDatagram() { channel.write(payload, promise: nil) } else { place.traffic.countLostDatagram() }
            } flush: {
                channel.flush()
            }
            return socket
        } catch {
            let cause = SystemError(error) ?? error
            throw TunnelError(cause is DescriptorShortage ? .busy : .unreachable, "no datagrams to \(address): \(cause)", cause: cause)
        }
    }

    /// Carries datagrams both ways, to the end; cancelling the task breaks it off.
    func run() async throws {
        guard let channel = self.channel, let flow = self.flow else { return }
        channel.eventLoop.execute {
            flow.begin()
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
        defer { self.close() }
        let ended = flow.ended
        try await withTaskCancellationHandler {
            try await ended.get()
        } onCancel: {
            flow.cancel()
        }
    }

    func close() { self.channel?.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.flow?.send(self.unwrapInboundIn(data).data)
        if self.isLookup { self.flow?.answered() }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.place.traffic.countLostDatagrams(self.room.overflow(of: context))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Nobody is there now (ICMP): somebody may be later.
        self.place.traffic.countLostDatagram()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.flow?.finish()
        context.fireChannelInactive()
    }
}
