import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr

/// The datagrams of one program that speaks SOCKS: a flow for each target that it names (RFC 1928, section 7).
final class SOCKSRelay: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// A target as the program writes it.
    struct Target: Hashable, Sendable {
        let host: String
        let port: UInt16
    }

    private let client: IPAddress?
    private let running: RunningTunnel
    /// Where the program sends from: the first that it sent from. Confined to the event loop.
    private var source: SocketAddress?
    private var flows: DatagramFlows<Target>?
    private var room = DatagramRoom()

    private init(client: IPAddress?, running: RunningTunnel) {
        self.client = client
        self.running = running
    }

    /// Binds a socket beside the program's connection.
    static func bind(
        for connection: any Channel, through running: RunningTunnel, exit: SOCKSExit, tunnels: Tunnels
    ) async throws(TunnelError) -> any Channel {
        let relay = SOCKSRelay(client: connection.remoteAddress?.ip, running: running)
        let host = connection.localAddress?.ip.map { "\($0)" } ?? "127.0.0.1"
        do {
            let channel = try await DatagramBootstrap(group: connection.eventLoop).forTunnel()
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.leaveReserve(for: .arrival)
                        channel.widenDatagramRoom()
                        try channel.pipeline.syncOperations.addHandler(relay)
                    }
                }
                .bind(to: try SocketAddress(ipAddress: host, port: 0)).get()
            relay.flows = DatagramFlows(
                of: running, to: exit.peer, tunnels: tunnels, on: channel.eventLoop,
                .init { target throws(TunnelError) in
                    try await exit.open(.udp, host: target.host, port: target.port)
                } deliver: { target, payload in
                    relay.deliver(payload, from: target, on: channel)
                } flush: {
                    channel.flush()
                })
            try await channel.setOption(.autoRead, value: true).get()
            return channel
        } catch {
            throw TunnelListener.refusal(of: .ip(host: host, port: 0), error)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        // Nobody but the program has anything to send here.
        guard envelope.remoteAddress.ip == self.client, self.source == nil || self.source == envelope.remoteAddress else { return }
        var bytes = envelope.data
        guard bytes.readInteger(as: UInt16.self) != nil, bytes.readInteger(as: UInt8.self) == 0,
            case .found(let host, let port) = SOCKSSession.address(&bytes), port > 0, !host.isEmpty
        else { return self.running.traffic.countLostDatagram() }
        self.source = envelope.remoteAddress
        self.flows?.send(bytes, through: Target(host: host, port: port))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.running.traffic.countLostDatagrams(self.room.overflow(of: context))
    }

    private func deliver(_ payload: ByteBuffer, from target: Target, on channel: any Channel) {
        guard let source = self.source, channel.makesRoomForDatagram() else { return self.running.traffic.countLostDatagram() }
        var datagram = ByteBufferAllocator().buffer(capacity: payload.readableBytes + 262)
        datagram.writeBytes([0, 0, 0])
        if let address = try? SocketAddress(ipAddress: target.host, port: Int(target.port)) {
            datagram.writeSOCKSAddress(address)
        } else {
            datagram.writeInteger(UInt8(3))
            datagram.writeInteger(UInt8(clamping: target.host.utf8.count))
            datagram.writeString(target.host)
            datagram.writeInteger(target.port)
        }
        datagram.writeImmutableBuffer(payload)
        channel.write(AddressedEnvelope(remoteAddress: source, data: datagram), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.running.traffic.countLostDatagram() }

    func channelInactive(context: ChannelHandlerContext) {
        self.flows?.finish()
        context.fireChannelInactive()
    }
}
