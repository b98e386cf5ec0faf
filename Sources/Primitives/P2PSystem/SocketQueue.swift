#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the system keeps of a connected socket's.
package enum SocketQueue {
    /// How many bytes it has for the other side, which has not taken them yet; nil where it does not say.
    package static func untaken(of descriptor: CInt) -> Int? {
        var count: CInt = 0
        #if canImport(Darwin)
            var length = socklen_t(MemoryLayout<CInt>.size)
            let result = getsockopt(descriptor, SOL_SOCKET, SO_NWRITE, &count, &length)
        #else
            let result = ioctl(descriptor, UInt(TIOCOUTQ), &count)
        #endif
        return result < 0 ? nil : Int(count)
    }
}
