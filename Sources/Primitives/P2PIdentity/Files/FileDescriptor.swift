#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// An open file that is closed when the value goes away; the few system calls that key files need.
struct FileDescriptor: ~Copyable {
    /// The signature of write(2).
    typealias Write = (CInt, UnsafeRawPointer, Int) -> Int

    private let number: CInt

    /// Opens a file; one that this call creates is readable and writable for its owner alone.
    static func open(_ path: String, _ flags: CInt) throws(IdentityError) -> FileDescriptor {
        guard !path.utf8.contains(0) else {
            throw IdentityError(.keyFileUnavailable, "a path with a zero byte in it, which the system would cut short")
        }
        let number = retrying { systemOpen(path, flags, 0o600) }
        guard number >= 0 else { throw .system("open", path) }
        return FileDescriptor(number: number)
    }

    private init(number: CInt) {
        self.number = number
    }

    deinit {
        _ = close(self.number)
    }

    /// What the system knows of the file that is open, whatever its name points at by now.
    func status(of path: String) throws(IdentityError) -> stat {
        var status = stat()
        guard fstat(self.number, &status) == 0 else { throw .system("fstat", path) }
        return status
    }

    /// Reads until the end of the file or the limit, whichever comes first.
    func read(upTo limit: Int, from path: String) throws(IdentityError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let count = bytes.withUnsafeMutableBytes { buffer in
                retrying { systemRead(self.number, buffer[filled...]) }
            }
            guard count >= 0 else { throw .system("read", path) }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes.prefix(filled))
    }

    /// Sets mode 0600 whatever the process's umask says, as far as the file system keeps modes at all.
    ///
    /// - Returns: whether nobody else may touch the file now.
    func setOwnerOnly(_ path: String) throws(IdentityError) -> Bool {
        // FAT and many network mounts refuse or ignore it: what counts is the mode that comes of it.
        _ = fchmod(self.number, 0o600)
        return try self.status(of: path).st_mode & 0o077 == 0
    }

    /// Writes all bytes.
    func write(_ bytes: [UInt8], to path: String, with write: Write) throws(IdentityError) {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { rest in
                rest.baseAddress.map { start in retrying { write(self.number, start, rest.count) } } ?? -1
            }
            guard count > 0 else { throw .system("write", path) }
            written += count
        }
    }

    /// Waits until the file is on the disk, where the file system has a way to say so.
    func synchronize(_ path: String) throws(IdentityError) {
        #if canImport(Darwin)
            // fsync(2) there leaves the bytes in the drive's cache; not every file system knows the stronger call.
            if fcntl(self.number, F_FULLFSYNC) == 0 { return }
        #endif
        guard retrying({ fsync(self.number) }) == 0 || SystemGap.isOne(errno) else { throw .system("fsync", path) }
    }

    /// write(2).
    static func systemWrite(_ number: CInt, _ start: UnsafeRawPointer, _ count: Int) -> Int {
        systemWriteCall(number, start, count)
    }
}

extension IdentityError {
    /// An error that says which system call failed on which path, and what `errno` says of it.
    static func system(_ call: String, _ path: String) -> IdentityError {
        let number = errno
        let reason = "\(call) \(path): \(String(cString: strerror(number)))"
        switch number {
        case ENOENT: return IdentityError(.keyFileMissing, reason)
        case EEXIST: return IdentityError(.keyFileExists, reason)
        case ELOOP, EMLINK, ENXIO, EISDIR: return IdentityError(.keyFileNotRegular, reason)
        default: return IdentityError(.keyFileUnavailable, reason)
        }
    }
}

/// Calls again for as long as signals interrupt.
private func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    var result = call()
    while result == -1, errno == EINTR { result = call() }
    return result
}

/// open(2), outside the type that has a method of the same name.
private func systemOpen(_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt {
    open(path, flags, mode)
}

/// read(2), likewise.
private func systemRead(_ number: CInt, _ buffer: Slice<UnsafeMutableRawBufferPointer>) -> Int {
    let rest = UnsafeMutableRawBufferPointer(rebasing: buffer)
    return read(number, rest.baseAddress, rest.count)
}

/// write(2), likewise.
private func systemWriteCall(_ number: CInt, _ start: UnsafeRawPointer, _ count: Int) -> Int {
    write(number, start, count)
}
