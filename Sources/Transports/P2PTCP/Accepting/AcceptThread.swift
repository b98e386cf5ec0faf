import CSockets
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The thread that accepts for every listening socket of the process.
///
/// It does nothing else, so it keeps up with a flood that would keep an event loop from everybody whom it serves already, and it has what
/// SwiftNIO's accepting channels don't: an error is that of one connection, and whoever is not wanted costs no channel.
final class AcceptThread: Sendable {
    static let shared = AcceptThread()

    /// How often it looks while somebody waits who may have to be told something that no socket tells.
    private static let interval = TimeAmount.milliseconds(25)

    /// How long it rests, in microseconds, when the system has no memory for the answer; and when so many wait that looking at them costs
    /// more than what there is to see: more is to be seen then.
    private static let pause: UInt32 = 4_000
    private static let crowd = 128

    private struct State {
        var added: [TCPAcceptor] = []
        var threads: NIOThreadPool?
        /// The end of a pipe that wakes the thread.
        var bell: CInt = -1
    }

    private let state = Mutex(State())

    /// Accepts on a socket until it is over.
    func serve(_ acceptor: TCPAcceptor) throws(IOError) {
        let result = self.state.withLock { state -> Result<CInt, IOError> in
            if state.threads == nil {
                var ends: [CInt] = [-1, -1]
                let error = sockets_pipe(&ends)
                guard error == 0 else { return .failure(IOError(errnoCode: -error, reason: "pipe")) }
                let threads = NIOThreadPool(numberOfThreads: 1)
                threads.start()
                let ear = ends[0]
                threads.submit { _ in self.run(hearing: ear) }
                (state.threads, state.bell) = (threads, ends[1])
            }
            state.added.append(acceptor)
            return .success(state.bell)
        }
        Self.ring(try result.get())
    }

    /// There is news of a socket.
    func wake() {
        let bell = self.state.withLock { $0.bell }
        if bell >= 0 { Self.ring(bell) }
    }

    /// Where the pipe is full, it is heard anyway.
    private static func ring(_ bell: CInt) { _ = [UInt8(1)].withUnsafeBytes { write(bell, $0.baseAddress, $0.count) } }

    private func run(hearing ear: CInt) {
        var desks: [AcceptDesk] = []
        var polled: [pollfd] = []
        while true {
            let added = self.state.withLock { state in
                defer { state.added = [] }
                return state.added
            }
            for acceptor in added { desks.append(AcceptDesk(acceptor, at: .now())) }
            var isWaitedFor = false
            let now = NIODeadline.now()
            polled.removeAll(keepingCapacity: true)
            polled.append(pollfd(fd: ear, events: Int16(POLLIN), revents: 0))
            desks.removeAll { $0.isOver() }
            for desk in desks {
                if desk.prepare(at: now) { isWaitedFor = true }
                polled.append(contentsOf: desk.descriptors)
            }
            if polled.count > Self.crowd { usleep(Self.pause) }
            var ready = Int(poll(&polled, nfds_t(polled.count), isWaitedFor ? CInt(Self.interval.nanoseconds / 1_000_000) : -1))
            guard ready > 0 else {
                if ready < 0, errno != EINTR { usleep(Self.pause) }
                continue
            }
            if polled[0].revents != 0 {
                Self.hear(ear)
                ready -= 1
            }
            var first = 1
            for desk in desks {
                let results = polled[first..<first + desk.descriptors.count]
                first = results.endIndex
                ready -= desk.turn(results, ready: ready, at: .now())
            }
        }
    }

    private static func hear(_ ear: CInt) {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { while read(ear, $0.baseAddress, $0.count) == $0.count {} }
    }
}
