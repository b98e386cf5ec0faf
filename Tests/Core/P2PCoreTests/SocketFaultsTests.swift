import NIOCore
import P2PCore
import Testing

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("What an error says about a socket")
struct SocketFaultsTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test(
        "Errors of a network, a peer or a moment say nothing about the socket: it goes on at once",
        arguments: [
            EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, ECONNABORTED, ENOPROTOOPT, EHOSTDOWN, EOPNOTSUPP, ENETUNREACH, EIO, ECONNREFUSED, EINTR,
            EAGAIN, ETIMEDOUT, ECONNRESET, EACCES, EMSGSIZE, 64,
        ])
    func passing(number: CInt) {
        var faults = SocketFaults()
        #expect(faults.failed(number, at: self.start) == .goOn(after: .zero))
    }

    @Test("Without memory or descriptors it rests, however long that takes", arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC])
    func exhausted(number: CInt) {
        var faults = SocketFaults()
        for turn in 0..<1_000 {
            #expect(faults.failed(number, at: self.start + .milliseconds(250) * Int64(turn)) == .goOn(after: .milliseconds(250)))
        }
    }

    @Test("What can't get well is bound again at once", arguments: [EBADF, EFAULT, EINVAL, ENOTSOCK, nil])
    func final(number: CInt?) {
        var faults = SocketFaults()
        #expect(faults.failed(number, at: self.start) == .bindAgain)
    }

    @Test("What fails again and again is tried more and more slowly, and bound again in the end")
    func patience() {
        var (faults, now) = (SocketFaults(), self.start)
        var pauses: [Int64] = []
        while case .goOn(let pause) = faults.failed(EPERM, at: now) {
            pauses.append(pause.nanoseconds / 1_000_000)
            now = now + pause
        }
        #expect(pauses == [0, 1, 2, 4, 8, 16, 32, 64, 128] + Array(repeating: 250, count: 11))
        #expect(now - self.start < .seconds(5))
    }

    @Test("Failures that are far apart have nothing to do with each other")
    func apart() {
        var faults = SocketFaults()
        for turn in 0..<100 {
            #expect(faults.failed(EPERM, at: self.start + .milliseconds(1_001) * Int64(turn)) == .goOn(after: .zero))
        }
    }
}
