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
    /// What is written at once, in bytes: so much goes into a pipe in one piece, and progress can be seen.
    private static let pieceSize = 4_096

    /// Writes all of the bytes; blocks for as long as nobody reads. What was not written is left in `bytes`.
    ///
    /// - Parameter progress: is told how many bytes the system took, each time.
    /// - Throws: `ToolError` with the code `outputClosed` when nobody reads any more, `outputFailed` otherwise.
    static func write(_ bytes: inout ByteBuffer, to descriptor: CInt, progress: (Int) -> Void = { _ in }) throws(ToolError) {
        while bytes.readableBytes > 0 {
            var code: CInt = 0
            let written = bytes.withUnsafeReadableBytes { bytes in
                let written = systemWrite(descriptor, bytes.baseAddress, min(bytes.count, self.pieceSize))
                if written < 0 { code = errno }
                return written
            }
            switch code {
            case 0:
                bytes.moveReaderIndex(forwardBy: written)
                progress(written)
            case EINTR: continue
            // Whoever started the tool shares the descriptor and had it not block.
            case EAGAIN: _ = self.poll(descriptor, for: self.writable, milliseconds: self.patience)
            case EPIPE, EBADF:
                throw ToolError(ToolError.outputClosed, "nobody reads what the tool prints: \(String(cString: strerror(code)))")
            default: throw ToolError("outputFailed", "writing failed: \(String(cString: strerror(code)))")
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
            // Whoever started the tool has closed it: it says nothing.
            case EBADF where descriptor == self.standardInput: return nil
            default: throw ToolError("inputFailed", "reading failed: \(String(cString: strerror(code)))")
            }
        }
    }

    /// The whole of a file.
    ///
    /// - Parameters:
    ///   - limit: bytes; a file that is longer is returned as far as one byte more.
    ///   - isLasting: it will be read again, so that what can't be, such as a pipe, which would hold up whoever opens it, is refused.
    /// - Throws: `ToolError` with the code `inputFailed`.
    static func contents(of path: String, upTo limit: Int, isLasting: Bool = false) throws -> ByteBuffer {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | (isLasting ? O_NONBLOCK : 0))
        guard descriptor >= 0 else { throw ToolError("inputFailed", "opening \(path) failed: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard !isLasting || lseek(descriptor, 0, SEEK_CUR) == 0 else {
            throw ToolError("inputFailed", "\(path) can't be read again: a file has to be given, not a pipe")
        }
        var contents = ByteBuffer()
        while contents.readableBytes <= limit, var piece = try self.read(upTo: limit + 1 - contents.readableBytes, from: descriptor) {
            contents.writeBuffer(&piece)
        }
        return contents
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
