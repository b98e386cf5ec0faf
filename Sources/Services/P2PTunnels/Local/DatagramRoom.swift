import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The room that the system has for a socket's datagrams until they are read.
struct DatagramRoom {
    /// What is asked of the system, in bytes: for most of a tenth of a second at 20,000 small datagrams a second. It gives less where it is told to.
    static let size = 1_024 * 1_024
    /// Datagrams that are taken from the system at a time where those of many come by one socket.
    static let batch = 8
    /// How often they are taken before others of the loop have their turn.
    static let reads: UInt = 8

    /// How many have found no room so far.
    private var lost: UInt32 = 0

    /// How many have found no room since this was asked last; none where the system does not say. On the event loop.
    mutating func overflow(of context: ChannelHandlerContext) -> UInt64 {
        #if os(Linux)
            let before = self.lost
            let now = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                Self.drops(of: $0)
            }
            self.lost = (now ?? nil) ?? before
            return UInt64(self.lost &- before)
        #else
            return 0
        #endif
    }

    #if os(Linux)
        /// SO_MEMINFO, and the place of SK_MEMINFO_DROPS in its answer (linux/sock_diag.h).
        private static let memoryOption: CInt = 55
        private static let dropsIndex = 8

        private static func drops(of descriptor: CInt) -> UInt32? {
            typealias Figures = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)
            var figures: Figures = (0, 0, 0, 0, 0, 0, 0, 0, 0)
            return withUnsafeMutableBytes(of: &figures) { room in
                var length = socklen_t(room.count)
                guard getsockopt(descriptor, SOL_SOCKET, Self.memoryOption, room.baseAddress, &length) == 0, Int(length) == room.count
                else {
                    return nil
                }
                return room.load(fromByteOffset: Self.dropsIndex * MemoryLayout<UInt32>.size, as: UInt32.self)
            }
        }
    #endif
}

extension Channel {
    /// Asks for more room than the system gives to everybody, where this process may have it. On the event loop.
    func widenDatagramRoom() {
        #if os(Linux)
            // SO_RCVBUFFORCE, of which asm-generic/socket.h alone knows.
            try? self.syncOptions?.setOption(
                .socketOption(NIOBSDSocket.Option(rawValue: 33)), value: SocketOptionValue(DatagramRoom.size))
        #endif
    }

    /// Whether a datagram may be written. What was written before goes first where it is much, so that a whole turn of a flow does. On the event loop.
    func makesRoomForDatagram() -> Bool {
        if !self.isWritable { self.flush() }
        return self.isWritable
    }
}

extension DatagramBootstrap {
    /// For the datagrams of tunnels, which come faster than one at a time.
    ///
    /// - Parameter batch: how many are taken at a time; each has room for the largest.
    func forTunnel(batch: Int = 1) -> DatagramBootstrap {
        let bootstrap = self.channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: DatagramRoom.reads)
            .channelOption(.socketOption(.so_rcvbuf), value: DatagramRoom.size)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: batch * DatagramSocket.maximumSize))
        return batch > 1 ? bootstrap.channelOption(.datagramVectorReadMessageCount, value: batch) : bootstrap
    }
}
