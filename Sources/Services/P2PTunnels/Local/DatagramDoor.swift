import NIOCore
import NIOPosix
import P2PCore

/// A local port of datagrams: each source of them has a flow of its own to the peer.
final class DatagramDoor: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    /// Set before the channel reads.
    private var flows: DatagramFlows<SocketAddress>?
    private var running: RunningTunnel?
    private var room = DatagramRoom()

    /// What is bound, and what is told of it.
    struct Bound: Sendable {
        let running: RunningTunnel
        let endpoint: TunnelEndpoint
        let channel: any Channel

        func close() async { try? await self.channel.close() }
    }

    static func bind(
        _ forward: TunnelForward, tunnels: Tunnels, host: any HostAccess, id: TunnelID, group: any EventLoopGroup
    ) async throws(TunnelError) -> Bound {
        guard case .ip(let name, let port) = forward.listen else {
            throw TunnelError(.notBound, "\(forward.listen) takes no datagrams: name a host and a port")
        }
        let door = DatagramDoor()
        do {
            let channel = try await DatagramBootstrap(group: group).forTunnel(batch: DatagramRoom.batch)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.leaveReserve(for: .dial)
                        channel.widenDatagramRoom()
                        try channel.pipeline.syncOperations.addHandler(door)
                    }
                }
                .bind(to: try TunnelListener.address(name, port)).get()
            let endpoint = TunnelListener.endpoint(of: channel, name, port)
            let running = RunningTunnel(id, .forward, name: forward.name, local: endpoint, peer: forward.peer, isDatagrams: true)
            door.running = running
            door.flows = DatagramFlows(
                of: running, to: forward.peer, tunnels: tunnels, on: channel.eventLoop,
                .init { _ throws(TunnelError) in
                    try await tunnels.reach(forward.peer, at: forward.addresses, host)
                    return try await tunnels.open(TunnelOpen(.udp, name: "\(forward.name)"), at: forward.peer, host: host)
                } deliver: { source, payload in
                    guard channel.makesRoomForDatagram() else { return running.traffic.countLostDatagram() }
                    channel.write(AddressedEnvelope(remoteAddress: source, data: payload), promise: nil)
                } flush: {
                    channel.flush()
                })
            try await channel.setOption(.autoRead, value: true).get()
            return Bound(running: running, endpoint: endpoint, channel: channel)
        } catch {
            throw TunnelListener.refusal(of: forward.listen, error)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        self.flows?.send(envelope.data, through: envelope.remoteAddress)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.running?.traffic.countLostDatagrams(self.room.overflow(of: context))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of a source that is gone (ICMP): it is no matter of the others.
        self.running?.traffic.countLostDatagram()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.flows?.finish()
        context.fireChannelInactive()
    }
}
