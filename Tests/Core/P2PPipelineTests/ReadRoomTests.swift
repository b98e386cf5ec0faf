import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import P2PPipeline

@Suite("How much is read at a time")
struct ReadRoomTests {
    @Test("It grows while reads fill it, and shrinks after two that find little; what is large is none of the channel's own")
    func grows() {
        let room = ReadRoom(pool: RecordPool())
        var (sizes, isOwn): ([Int], [Bool]) = ([], [])
        for _ in 0..<6 {
            sizes.append(room.size)
            isOwn.append(room.nextBufferSize() == room.size)
            #expect(room.buffer(allocator: ByteBufferAllocator()).capacity >= room.size)
            #expect(room.record(actualReadBytes: room.size) == (room.nextBufferSize() == nil))
        }
        #expect(sizes == [1, 2, 4, 64, 256, 256].map { $0 * 1_024 })
        #expect(isOwn == [true, true, true, false, false, false])
        #expect(room.record(actualReadBytes: 10) && room.size == 256 * 1_024)
        #expect(room.record(actualReadBytes: 10) && room.size == 64 * 1_024)
        // In between, it stays as it is.
        _ = room.record(actualReadBytes: 10)
        _ = room.record(actualReadBytes: 60 * 1_024)
        _ = room.record(actualReadBytes: 10)
        #expect(room.size == 64 * 1_024)
        #expect(!room.record(actualReadBytes: 10) && room.size == 4_096)
        for _ in 0..<40 { _ = room.record(actualReadBytes: 0) }
        #expect(room.size == 1_024)
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
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let reads = Reads()
        let server = try await ServerBootstrap(group: loop).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                ReadRoom.install(in: channel)
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
        reads.connections.withLock { connections in
            let memory = connections[0].memory.union(connections[1].memory)
            #expect(!memory.isEmpty && memory.count <= 2 * RecordPool.readLimit, "what one loop has for the two larger sizes")
            var whole = ByteBuffer()
            for var piece in connections[2].kept { whole.writeBuffer(&piece) }
            let isWhole = (0..<words).allSatisfy { whole.readInteger(as: UInt64.self) == UInt64($0) }
            #expect(isWhole && whole.readableBytes == 0)
        }
    }
}
