import NIOCore
import NIOPosix
import P2PMultiaddr

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Opens the socket of one link.
///
/// It is bound to the group's address rather than to all: so it gets nothing but multicast, and takes no unicast packet from another
/// responder on the same port. It hears its own interface only, and so tells which one a packet came through.
enum MDNSSocket {
    /// Where mDNS is spoken (RFC 6762, section 3).
    static func group(isIPv6: Bool) -> IPAddress {
        isIPv6 ? IPAddress(v6: 0xff02_0000_0000_0000, 0xfb) : IPAddress(v4: 0xe000_00fb)
    }

    private static let hops: CUnsignedChar = 255

    static func open(
        _ interface: MulticastInterface, on eventLoop: any EventLoop, handler: @escaping @Sendable () -> MDNSHandler
    ) async throws -> any Channel {
        let isIPv6 = interface.link.id.isIPv6
        let address = try SocketAddress(
            Self.group(isIPv6: isIPv6), port: MDNSMachine.port, interface: interface.link.id.interface)
        let made = NIOLoopBoundBox<(any Channel)?>.makeEmptyBox(valueType: (any Channel).self, eventLoop: eventLoop)
        do {
            let channel = try await DatagramBootstrap(group: eventLoop)
                .channelInitializer { channel in
                    made.value = channel
                    return channel.eventLoop.makeCompletedFuture {
                        try self.prepare(channel, isIPv6: isIPv6)
                        try channel.pipeline.syncOperations.addHandler(handler())
                    }
                }
                .bind(to: address).get()
            try await self.configure(channel, interface, group: address)
            return channel
        } catch {
            // NIO leaves it open when it can't be bound, or when an option or the initializer fails.
            try? await eventLoop.flatSubmit { made.value?.close() ?? eventLoop.makeSucceededVoidFuture() }.get()
            throw error
        }
    }

    /// What has to be said before the socket is bound.
    private static func prepare(_ channel: any Channel, isIPv6: Bool) throws {
        let options = channel.syncOptions
        try options?.setOption(.socketOption(.so_reuseaddr), value: 1)
        try options?.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DNSLimits.message + 1))
        #if os(Linux) || os(Android)
            // SO_REUSEADDR is enough to share the port. With SO_REUSEPORT, Linux would give each packet to one socket of all that are
            // bound to the group, whichever interface they have joined.
            // Without this option it hands over what any socket of the machine has joined, from every interface.
            let multicastAll = isIPv6 ? (NIOBSDSocket.OptionLevel.ipv6, 29) : (.ip, 49)
            try options?.setOption(
                ChannelOptions.Types.SocketOption(level: multicastAll.0, name: NIOBSDSocket.Option(rawValue: CInt(multicastAll.1))),
                value: 0)
        #else
            try options?.setOption(
                ChannelOptions.Types.SocketOption(level: .socket, name: NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: 1)
        #endif
    }

    private static func configure(_ channel: any Channel, _ interface: MulticastInterface, group: SocketAddress) async throws {
        guard let options = channel as? any SocketOptionProvider, let multicast = channel as? any MulticastChannel else { return }
        if !interface.link.id.isIPv6, let ip = interface.device.address?.ip {
            // The system wants the address in network byte order.
            let number = UInt32(bigEndian: ip.bytes.reduce(0) { $0 << 8 | UInt32($1) })
            try await options.unsafeSetSocketOption(level: .ip, name: .ip_multicast_if, value: number).get()
            try await options.setIPMulticastTTL(self.hops).get()
            try await options.setIPMulticastLoop(1).get()
            let membership = Membership(group: UInt32(bigEndian: 0xe000_00fb), interface: number)
            try await options.unsafeSetSocketOption(level: .ip, name: .ip_add_membership, value: membership).get()
        } else {
            try await options.setIPv6MulticastIF(CUnsignedInt(truncatingIfNeeded: interface.link.id.interface)).get()
            try await options.setIPv6MulticastHops(CInt(self.hops)).get()
            try await options.setIPv6MulticastLoop(1).get()
            let joined = channel.eventLoop.makePromise(of: Void.self)
            multicast.joinGroup(group, device: interface.device, promise: joined)
            try await joined.futureResult.get()
        }
    }

    /// `ip_mreq`. NIO joins no group on an interface that does not claim to carry multicast; Linux's loopback interface doesn't, and does.
    private struct Membership {
        let group: UInt32
        let interface: UInt32
    }
}

/// Hands packets on.
final class MDNSHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let onPacket: (ByteBuffer, SocketAddress) -> Void

    init(onPacket: @escaping (ByteBuffer, SocketAddress) -> Void) {
        self.onPacket = onPacket
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        self.onPacket(envelope.data, envelope.remoteAddress)
    }

    /// What the system says about a packet that was sent, such as that nobody is there, ends nothing.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
