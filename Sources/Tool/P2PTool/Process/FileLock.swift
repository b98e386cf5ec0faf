#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file that one process at a time holds. The system lets go of it when the process ends, however that comes.
final class FileLock: Sendable {
    private let descriptor: CInt

    /// - Throws: `ToolError` with the code `dataInUse` when another process holds it, `dataUnavailable` when there can be no such file.
    init(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw DataDirectory.error("can't be opened", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            defer { close(descriptor) }
            guard errno == EWOULDBLOCK else { throw DataDirectory.error("can't be locked", path) }
            throw ToolError("dataInUse", "another node uses this directory: it holds \(path)")
        }
        self.descriptor = descriptor
    }

    deinit {
        close(self.descriptor)
    }
}
