import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A unix socket that is its owner's alone before anybody can connect to it.
package enum OwnersSocket {
    /// A descriptor that is bound to the path, with mode 0600; it does not listen yet. Whoever takes it closes it and removes the file.
    ///
    /// - Throws: what the system said, as `IOError`; NIO's own error for a path that is too long. Nothing is left behind then.
    package static func bind(at path: String) throws -> CInt {
        let address = try SocketAddress(unixDomainSocketPath: path)
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        // Linux makes the file with these rights; elsewhere it gets them before the socket listens.
        _ = fchmod(descriptor, 0o600)
        guard address.withSockAddr({ systemBind(descriptor, $0, socklen_t($1)) }) == 0 else {
            let code = errno
            close(descriptor)
            throw IOError(errnoCode: code, reason: "bind")
        }
        guard chmod(path, 0o600) == 0 else {
            let code = errno
            close(descriptor)
            unlink(path)
            throw IOError(errnoCode: code, reason: "chmod")
        }
        return descriptor
    }
}

// The function itself: inside the type the name means its own.
#if canImport(Darwin)
    private let systemBind = Darwin.bind
#elseif canImport(Glibc)
    private let systemBind = Glibc.bind
#elseif canImport(Musl)
    private let systemBind = Musl.bind
#endif
