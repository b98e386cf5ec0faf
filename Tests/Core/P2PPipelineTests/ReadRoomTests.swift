import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PPipeline

@Suite("How much is read at a time")
struct ReadRoomTests {
    private let memory = HeldMemory(MemoryLimits(total: 8 << 20, perPeer: .max, allowed: 0))

    private func account() throws -> MemoryAccount {
        self.memory.account(for: PeerID(try PrivateKey.generate(.ed25519).publicKey), at: "/ip4/192.0.2.1/tcp/1")
    }

    /// The sizes of so many reads that find as much as they can take.
    private func fill(_ room: ReadRoom, times: Int) -> [Int] {
        (0..<times).map { _ in
            let size = room.size
            #expect((room.nextBufferSize() == nil) == (size > ReadRoom.own))
            #expect(room.buffer(allocator: ByteBufferAllocator()).capacity >= size)
            #expect(room.record(actualReadBytes: size) == (room.nextBufferSize() == nil))
            return size >> 10
        }
    }

    @Test("It grows while reads fill it, and shrinks after two that a smaller one could have taken")
    func grows() {
        let room = ReadRoom(pool: RecordPool())
        #expect(self.fill(room, times: 6) == [1, 4, 32, 256, 256, 256])
        for (count, size) in [(10, 256), (10, 32), (10, 32), (20_000, 32), (4_096, 32), (4_097, 32), (10, 32), (10, 4)] {
            _ = room.record(actualReadBytes: count)
            #expect(room.size == size << 10, "after \(count)")
        }
        for _ in 0..<40 { _ = room.record(actualReadBytes: 0) }
        #expect(room.size == 1_024)
    }

    @Test("What a TLS library keeps counts, once, and is given back; where memory is scarce it reads no more at a time than it has")
    func library() throws {
        let (account, late, hoarder) = (try self.account(), try self.account(), try self.account())
        do {
            let (room, other) = (ReadRoom(pool: RecordPool()), ReadRoom(pool: RecordPool()))
            room.expectLibrary()
            #expect(self.fill(room, times: 6) == [1, 4, 32, 32, 32, 32], "nobody counts yet")
            #expect(account.held == 0)
            room.count(for: account)
            #expect(account.held == 32 << 10)
            #expect(self.fill(room, times: 3) == [32, 256, 256] && account.held == 256 << 10)
            for _ in 0..<40 { _ = room.record(actualReadBytes: 0) }
            hoarder.change(by: 2 << 20)
            #expect(self.fill(room, times: 6) == [1, 4, 32, 256, 256, 256] && account.held == 256 << 10, "so much it has")
            other.expectLibrary()
            other.count(for: late)
            #expect(self.fill(other, times: 6) == [1, 4, 32, 32, 32, 32] && late.held == 32 << 10)
            let grown = ReadRoom(pool: RecordPool())
            #expect(self.fill(grown, times: 5).last == 256)
            grown.expectLibrary()
            #expect(grown.size == 32 << 10, "what came before the library is none of its")
            let plain = ReadRoom(pool: RecordPool())
            plain.count(for: late)
            #expect(self.fill(plain, times: 5).last == 256 && late.held == 32 << 10, "the loop's memory is nobody's")
        }
        #expect(account.held == 0 && late.held == 0)
    }

    private final class Reads: Sendable {
        struct Connection {
            var count = 0
            /// Where bytes came to lie, if not in the channel's own buffer.
            var memory: Set<UInt> = []
            var kept: [ByteBuffer] = []
        }

        let connections = Mutex<[Connection]>([])
    }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let reads: Reads
        private let index: Int

        init(_ reads: Reads) {
            self.reads = reads
            self.index = reads.connections.withLock {
                $0.append(Reads.Connection())
                return $0.count - 1
            }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = self.unwrapInboundIn(data)
            let place = bytes.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
            self.reads.connections.withLock {
                $0[self.index].count += bytes.readableBytes
                if bytes.storageCapacity > ReadRoom.own { $0[self.index].memory.insert(place) }
                // The third keeps everything.
                if self.index == 2 { $0[self.index].kept.append(bytes) }
            }
        }
    }

    @Test("Busy sockets of one loop read into the same memory, and what somebody keeps is never read over", .timeLimit(.minutes(1)))
    func sharesMemory() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let reads = Reads()
        let server = try await ServerBootstrap(group: loop).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try ReadRoom.install(in: channel)
                try channel.pipeline.syncOperations.addHandler(Reader(reads))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        let words = 1 << 18
        for index in 0..<3 {
            let client = try await ClientBootstrap(group: loop).connect(to: #require(server.localAddress)).get()
            var bytes = ByteBufferAllocator().buffer(capacity: words * 8)
            for word in 0..<words { bytes.writeInteger(UInt64(word)) }
            try await client.writeAndFlush(bytes).get()
            while reads.connections.withLock({ $0.count <= index || $0[index].count < words * 8 }) {
                try await Task.sleep(for: .milliseconds(5))
            }
            try await client.close().get()
        }
        try await server.close().get()
        try await group.shutdownGracefully()
        reads.connections.withLock { connections in
            let memory = connections[0].memory.union(connections[1].memory)
            #expect(!memory.isEmpty && memory.count <= RecordPool.readLimit, "what one loop has for the larger sizes: \(memory.count)")
            var whole = ByteBuffer()
            for var piece in connections[2].kept { whole.writeBuffer(&piece) }
            let isWhole = (0..<words).allSatisfy { whole.readInteger(as: UInt64.self) == UInt64($0) }
            #expect(isWhole && whole.readableBytes == 0)
        }
    }
}
