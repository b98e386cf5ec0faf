import NIOCore
import NIOSSL

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Why something with a socket failed. Two errors are equal when their codes are.
public struct SocketError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of failure it is, by the exception that the web's Direct Sockets throw for it.
    public enum Kind: String, Hashable, Sendable {
        /// The policy does not grant it.
        case notAllowed = "NotAllowedError"
        /// The network or the other side.
        case network = "NetworkError"
        /// The socket is in no state for it; nothing was sent.
        case invalidState = "InvalidStateError"
        /// What was asked for makes no sense; nothing was sent.
        case invalidArgument = "TypeError"
        /// The task that waited was cancelled; the socket is as it was.
        case cancelled = "AbortError"
    }

    /// Why, for programs: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The reason's name.
        public let description: String
        /// What kind of failure that is.
        public let kind: Kind

        /// Names a reason of your own.
        public init(_ description: String, _ kind: Kind) {
            self.description = description
            self.kind = kind
        }

        /// The policy does not grant it; the message says what exactly.
        public static let permissionDenied = Code("permissionDenied", .notAllowed)
        /// Some other failure of the network; `errno` says which.
        public static let network = Code("network", .network)
        /// Nobody listens there.
        public static let refused = Code("refused", .network)
        /// The other side, or something on the way, ended the connection at once.
        public static let reset = Code("reset", .network)
        /// There is no way to that address.
        public static let unreachable = Code("unreachable", .network)
        /// The name leads to no address.
        public static let unresolvable = Code("unresolvable", .network)
        /// There was no answer in time, or a slow reader took nothing by the end of the drain limit.
        public static let timedOut = Code("timedOut", .network)
        /// Something else has that port.
        public static let addressInUse = Code("addressInUse", .network)
        /// TLS failed: a certificate, a handshake, or an end without a goodbye.
        public static let tls = Code("tls", .network)
        /// The socket was closed here.
        public static let closed = Code("closed", .invalidState)
        /// Another task reads.
        public static let alreadyReading = Code("alreadyReading", .invalidState)
        /// Not now; the message says why.
        public static let invalidState = Code("invalidState", .invalidState)
        /// Not so; the message says which value.
        public static let invalidArgument = Code("invalidArgument", .invalidArgument)
        /// A datagram is longer than UDP carries.
        public static let messageTooLong = Code("messageTooLong", .invalidArgument)
        /// The task was cancelled.
        public static let cancelled = Code("cancelled", .cancelled)
    }

    /// Why it failed, for programs.
    public let code: Code
    /// What was tried and where it failed, for people.
    public let message: String
    /// What the system said, if it did.
    public let errno: CInt?

    /// An error with a code, a message for people, and perhaps the system's own number.
    public init(_ code: Code, _ message: String, errno: CInt? = nil) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    /// What kind of failure it is.
    public var kind: Kind { self.code.kind }

    /// Whether the codes are equal.
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    /// The code and the message in one line.
    public var description: String { "\(self.code): \(self.message)" }
}

extension SocketError {
    /// What NIO, the system or the TLS library said.
    init(_ error: any Error, _ what: String) {
        switch error {
        case let error as SocketError: self = error
        case let error as IOError:
            self.init(Self.code(of: error.errnoCode), "\(what): \(Self.text(error.errnoCode))", errno: error.errnoCode)
        case ChannelError.connectTimeout: self.init(.timedOut, "\(what): there was no answer in time", errno: ETIMEDOUT)
        case is ChannelError: self.init(.closed, "\(what): the socket is closed")
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: self.init(.tls, "\(what): \(error)")
        default: self.init(.network, "\(what): \(error)")
        }
    }

    private static func code(of errno: CInt) -> Code {
        switch errno {
        case ECONNREFUSED: .refused
        case ECONNRESET, EPIPE, ENOTCONN: .reset
        case ETIMEDOUT: .timedOut
        case EADDRINUSE: .addressInUse
        case EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, EHOSTDOWN, ENETDOWN: .unreachable
        case EMSGSIZE: .messageTooLong
        default: .network
        }
    }

    private static func text(_ errno: CInt) -> String { strerror(errno).map { String(cString: $0) } ?? "error \(errno)" }

    static let wasClosed = SocketError(.closed, "the socket was closed")
    static let wasCancelled = SocketError(.cancelled, "the task was cancelled")
}
