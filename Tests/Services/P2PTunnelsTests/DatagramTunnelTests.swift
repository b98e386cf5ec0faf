import NIOCore
import NIOPosix
import P2PCore
import Testing

@testable import P2PTunnels

@Suite("Tunnels of datagrams", .timeLimit(.minutes(2)))
struct DatagramTunnelTests {
    typealias Envelope = AddressedEnvelope<ByteBuffer>

    private func socket() async throws -> NIOAsyncChannel<Envelope, Envelope> {
        try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_535))
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            }
    }

    @Test("Each source has its own flow, and datagrams keep their bounds", arguments: [0, 1, 1_200, 60_000])
    func sources(size: Int) async throws {
        let echo = try await self.socket()
        let port = UInt16(echo.channel.localAddress?.port ?? 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await echo.executeThenClose { inbound, outbound in
                    for try await envelope in inbound { try await outbound.write(envelope) }
                }
            }
            try await TunnelPair.with(service: .ip(host: "127.0.0.1", port: port), isDatagrams: true) { pair in
                let listen = try await pair.forward(isDatagrams: true)
                let address = try listen.address
                for number in 0..<3 {
                    let program = try await self.socket()
                    try await program.executeThenClose { inbound, outbound in
                        let payload = ByteBuffer(repeating: UInt8(number), count: size)
                        var iterator = inbound.makeAsyncIterator()
                        for _ in 0..<5 {
                            try await outbound.write(Envelope(remoteAddress: address, data: payload))
                            #expect(try await iterator.next()?.data == payload)
                        }
                    }
                }
                let status = pair.reaching.list[0]
                #expect(status.totalFlows == 3 && status.flows == 3)
                #expect(status.lostDatagrams == 0)
                #expect(status.bytesIn == UInt64(15 * size))
                await pair.reaching.close(status.id)
                #expect(try await pair.isEmpty())
            }
            group.cancelAll()
        }
    }

    @Test("What comes in one piece over the stream goes on whole, also where it is more than a socket is given at a time")
    func burst() async throws {
        let target = try await self.socket()
        let port = UInt16(target.channel.localAddress?.port ?? 0)
        try await target.executeThenClose { inbound, _ in
            var arrivals = inbound.makeAsyncIterator()
            try await TunnelPair.with(service: .ip(host: "127.0.0.1", port: port), isDatagrams: true) { pair in
                let (host, _, _) = try pair.reaching.begin()
                let stream = try await pair.reaching.open(TunnelOpen(.udp, name: "/x/test"), at: pair.peer, host: host)
                var capsules = ByteBuffer()
                for number in 0..<64 {
                    capsules.writeImmutableBuffer(DatagramCapsule.encode(ByteBuffer(repeating: UInt8(number), count: 1_400)))
                }
                try await stream.write(capsules)
                for _ in 0..<500 where pair.serving.list[0].bytesIn < 64 * 1_400 { try await Task.sleep(for: .milliseconds(10)) }
                #expect(pair.serving.list[0].bytesIn == 64 * 1_400)
                #expect(pair.serving.list[0].lostDatagrams == 0)
                stream.reset()
            }
            for number in 0..<64 { #expect(try await arrivals.next()?.data == ByteBuffer(repeating: UInt8(number), count: 1_400)) }
        }
    }

    @Test("A flow without a datagram for long enough is over")
    func idle() async throws {
        var configuration = TunnelConfiguration()
        configuration.datagramIdle = .milliseconds(300)
        try await TunnelPair.with(service: .ip(host: "127.0.0.1", port: 9), isDatagrams: true, configuration) { pair in
            let listen = try await pair.forward(isDatagrams: true)
            let address = try listen.address
            let program = try await self.socket()
            try await program.executeThenClose { _, outbound in
                try await outbound.write(Envelope(remoteAddress: address, data: ByteBuffer(string: "x")))
                for _ in 0..<500 where pair.reaching.list[0].totalFlows == 0 { try await Task.sleep(for: .milliseconds(10)) }
            }
            #expect(try await pair.isEmpty())
        }
    }
}
