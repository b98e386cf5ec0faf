#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import NIOPosix
    import P2PCore
    import P2PMultiaddr
    import Synchronization
    import Testing

    @testable import P2PQUIC

    /// A box between a client and a server, as a NAT is: it forwards datagrams, and may change the address that the server sees.
    final class DatagramRelay: Sendable {
        private struct State {
            var client: SocketAddress?
            var back: (any Channel)?
            /// The congestion marks of the client's packets, in order.
            var marks: [NIOExplicitCongestionNotificationState] = []
            /// Datagrams of more bytes are dropped, and how many were.
            var largest = Int.max
            var dropped = 0
        }

        private let server: SocketAddress
        private let keepsMarks: Bool
        private let front: any Channel
        private let state = Mutex(State())

        /// - Parameter keepsMarks: forward congestion marks, or erase them.
        static func make(to server: Multiaddr, keepsMarks: Bool = true) async throws -> DatagramRelay {
            let ports = Ports()
            let front = try await Self.bind("127.0.0.1", ports)
            let relay = DatagramRelay(server: try #require(SocketAddress(udp: server)), keepsMarks: keepsMarks, front: front)
            ports.relay.withLock { $0 = relay }
            try await relay.rebind(to: "127.0.0.1")
            return relay
        }

        private init(server: SocketAddress, keepsMarks: Bool, front: any Channel) {
            self.server = server
            self.keepsMarks = keepsMarks
            self.front = front
        }

        /// Where the client is to dial.
        var address: Multiaddr {
            get throws { Multiaddr(ip: .loopbackV4, quic: UInt16(try #require(self.front.localAddress?.port))) }
        }

        /// What the server sees.
        var seen: Multiaddr {
            get throws {
                let back = try #require(self.state.withLock { $0.back?.localAddress })
                return try #require(quic_address(back)).multiaddr
            }
        }

        /// From now on, datagrams of more bytes are dropped without a word, in both directions.
        func narrow(to size: Int) { self.state.withLock { $0.largest = size } }

        var dropped: Int { self.state.withLock(\.dropped) }

        var marks: [NIOExplicitCongestionNotificationState] { self.state.withLock(\.marks) }

        /// From now on the server is sent to from another address, and hears nothing on the old one.
        func rebind(to host: String) async throws {
            let ports = Ports()
            ports.relay.withLock { $0 = self }
            let fresh = try await Self.bind(host, ports)
            let old = self.state.withLock { state in
                defer { state.back = fresh }
                return state.back
            }
            try await old?.close()
        }

        func close() async throws {
            try await self.front.close()
            try await self.state.withLock { $0.back }?.close()
        }

        private static func bind(_ host: String, _ ports: Ports) async throws -> any Channel {
            try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.explicitCongestionNotification, value: true)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Reader(ports)) }
                }
                .bind(host: host, port: 0).get()
        }

        fileprivate func received(_ datagram: AddressedEnvelope<ByteBuffer>, on channel: any Channel) {
            let mark = datagram.metadata?.ecnState ?? .transportNotCapable
            let isFromClient = channel === self.front
            let way = self.state.withLock { state -> (channel: any Channel, target: SocketAddress)? in
                guard datagram.data.readableBytes <= state.largest else {
                    state.dropped += 1
                    return nil
                }
                guard isFromClient else { return state.client.map { (self.front, $0) } }
                state.client = datagram.remoteAddress
                state.marks.append(mark)
                return state.back.map { ($0, self.server) }
            }
            guard let way else { return }
            let metadata = AddressedEnvelope<ByteBuffer>.Metadata(ecnState: self.keepsMarks ? mark : .transportNotCapable)
            way.channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: way.target, data: datagram.data, metadata: metadata), promise: nil)
        }

        /// The relay of a channel, which is made before it.
        private final class Ports: Sendable {
            let relay = Mutex<DatagramRelay?>(nil)
        }

        private final class Reader: ChannelInboundHandler {
            typealias InboundIn = AddressedEnvelope<ByteBuffer>

            private let ports: Ports

            init(_ ports: Ports) { self.ports = ports }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                self.ports.relay.withLock { $0 }?.received(self.unwrapInboundIn(data), on: context.channel)
            }
        }
    }

    extension SocketAddress {
        fileprivate init?(udp address: Multiaddr) {
            guard let endpoint = address.udpEndpoint, case .ip(let ip, _) = endpoint.host,
                let socket = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: ip.bytes), port: Int(endpoint.port))
            else { return nil }
            self = socket
        }
    }
#endif
