import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The few calls on file descriptors that the tool makes itself, because standard streams may be files, pipes or terminals.
enum SystemFile {
    static let standardInput: CInt = 0
    static let standardOutput: CInt = 1
    static let standardError: CInt = 2
    /// What to wait for before reading.
    static let readable = CInt(POLLIN)

    /// What to wait for before writing.
    static let writable = CInt(POLLOUT)
    /// How long a cancellation may go unnoticed, in milliseconds.
    static let patience: CInt = 100
    /// What a pipe takes without blocking once it is said to be writable, in bytes.
    #if canImport(Darwin)
        private static let pieceSize = 512
    #else
        private static let pieceSize = 4_096
    #endif

    /// Writes all of the bytes, and waits for a slow reader if need be, but no longer than until the cancellation.
    ///
    /// - Throws: `ToolError` with the code `outputClosed` when nobody reads any more, `outputFailed` otherwise;
    ///   `CancellationError`.
    static func write(_ bytes: ByteBuffer, to descriptor: CInt, unless cancellation: Cancellation = Cancellation()) throws {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            while !self.poll(descriptor, for: self.writable, milliseconds: self.patience) {
                if cancellation.isRequested { throw CancellationError() }
            }
            let written = bytes.withUnsafeReadableBytes { systemWrite(descriptor, $0.baseAddress, min($0.count, self.pieceSize)) }
            if written >= 0 {
                bytes.moveReaderIndex(forwardBy: written)
                continue
            }
            switch errno {
            case EINTR, EAGAIN: continue
            case EPIPE: throw ToolError("outputClosed", "nobody reads what the tool prints")
            default: throw ToolError("outputFailed", "writing failed: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Reads what there is, at most `limit` bytes.
    ///
    /// - Returns: nil at the end.
    static func read(upTo limit: Int, from descriptor: CInt) throws -> ByteBuffer? {
        var bytes = ByteBufferAllocator().buffer(capacity: limit)
        while true {
            var code: CInt = 0
            let count = bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { space in
                let count = systemRead(descriptor, space.baseAddress, min(limit, space.count))
                if count < 0 { code = errno }
                return max(0, count)
            }
            switch code {
            case 0: return count > 0 ? bytes : nil
            case EINTR: continue
            case EAGAIN: _ = self.poll(descriptor, for: self.readable, milliseconds: 100)
            default: throw ToolError("inputFailed", "reading standard input failed: \(String(cString: strerror(code)))")
            }
        }
    }

    /// Waits until the descriptor is ready; false when the time passed first.
    static func poll(_ descriptor: CInt, for events: CInt, milliseconds: CInt) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return systemPoll(&entry, 1, milliseconds) > 0
    }

    static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }
}

#if canImport(Darwin)
    private let systemRead = Darwin.read
    private let systemWrite = Darwin.write
    private let systemPoll = Darwin.poll
#elseif canImport(Glibc)
    private let systemRead = Glibc.read
    private let systemWrite = Glibc.write
    private let systemPoll = Glibc.poll
#elseif canImport(Musl)
    private let systemRead = Musl.read
    private let systemWrite = Musl.write
    private let systemPoll = Musl.poll
#endif
