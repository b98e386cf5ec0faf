import Logging

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file that one process at a time holds. The system lets go of it when the process ends, however that comes.
final class FileLock: Sendable {
    private static let logger = Logger(label: "p2p.data")

    private let descriptor: CInt

    /// - Throws: `ToolError` with the code `dataInUse` when another process holds it, `dataUnavailable` when there can be no such file.
    init(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw DataDirectory.error("can't be opened", path) }
        do throws(ToolError) {
            try Self.lock(descriptor, path)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit {
        close(self.descriptor)
    }

    /// Takes the kind of lock that the file system has, the better one first: some network mounts have one, some the other, some neither.
    private static func lock(_ descriptor: CInt, _ path: String) throws(ToolError) {
        for take in [Self.takeWhole, Self.takeRecord] {
            if take(descriptor) == 0 { return }
            switch errno {
            // What flock(2) and fcntl(2) say of a lock that somebody else has.
            case EWOULDBLOCK, EAGAIN, EACCES: throw ToolError("dataInUse", "another node uses this directory: it holds \(path)")
            case ENOLCK, ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EBADF: continue
            default: throw DataDirectory.error("can't be locked", path)
            }
        }
        self.logger.warning(
            "this file system has no locks: nothing keeps two nodes from using one data directory", metadata: ["file": "\(path)"])
    }

    private static func takeWhole(_ descriptor: CInt) -> CInt { flock(descriptor, LOCK_EX | LOCK_NB) }

    private static func takeRecord(_ descriptor: CInt) -> CInt {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        return fcntl(descriptor, F_SETLK, &lock)
    }
}
