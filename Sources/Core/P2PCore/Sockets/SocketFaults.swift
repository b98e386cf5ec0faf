package import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Decides what becomes of a socket that others rely on when a system call on it has failed.
///
/// Most errors say something about one packet, one peer or this moment, and nothing about the socket: Linux hands the pending errors of a
/// connection to whoever accepts it, and asks to treat them like "try again" (accept(2), "Error handling"); a firewall makes EPERM of a
/// packet that it takes away. A value: time is an argument.
package struct SocketFaults: Sendable {
    /// What is to be done.
    package enum Verdict: Hashable, Sendable {
        /// The socket is sound: go on with it.
        case goOn(after: TimeAmount)
        /// It is not, or does not get well: make another on the same address.
        case bindAgain
    }

    /// How long to wait at most, and at once where the system lacks memory or descriptors.
    package static let longestPause = TimeAmount.milliseconds(250)
    /// Failures further apart than this have nothing to do with each other.
    package static let memory = TimeAmount.seconds(1)
    /// Failures in a row after which the socket itself is the likely reason.
    package static let patience = 20

    private var inARow = 0
    private var last: NIODeadline?

    package init() {}

    /// A call on the socket failed.
    ///
    /// - Parameter number: its `errno`; nil when nobody knows.
    package mutating func failed(_ number: CInt?, at now: NIODeadline) -> Verdict {
        guard let number, !Self.isFinal(number) else { return .bindAgain }
        if Self.isExhaustion(number) { return .goOn(after: Self.longestPause) }
        self.inARow = self.last.map { now - $0 <= Self.memory } ?? false ? self.inARow + 1 : 1
        self.last = now
        guard self.inARow <= Self.patience else { return .bindAgain }
        guard self.inARow > 1 else { return .goOn(after: .zero) }
        return .goOn(after: min(.milliseconds(1) * (1 << Int64(self.inARow - 2)), Self.longestPause))
    }

    /// Whether the process or the machine has run out of descriptors or memory.
    package static func isExhaustion(_ number: CInt) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC].contains(number)
    }

    /// Whether the descriptor is no socket, or none that can do what is asked of it.
    package static func isFinal(_ number: CInt) -> Bool {
        [EBADF, EFAULT, EINVAL, ENOTSOCK].contains(number)
    }
}
