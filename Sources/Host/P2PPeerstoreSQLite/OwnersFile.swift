import P2PCore
import P2PIdentity
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// A file that only its owner may read: whom somebody knows is nobody else's business.
enum OwnersFile {
    /// So that nobody in this process goes on to open a file that somebody else is just making.
    private static let making = Mutex(())

    /// Makes sure that there is such a file, empty if it is new. SQLite gives the files beside it the same permissions.
    ///
    /// A file that is there is looked at, never opened: to close any descriptor of it would drop the locks (POSIX `fcntl`) that SQLite holds
    /// on it in this process.
    ///
    /// - Parameter mayCreate: when false, a missing file is an error.
    static func prepare(_ path: String, mayCreate: Bool) throws(PeerstoreError) {
        guard !path.utf8.contains(0) else {
            throw PeerstoreError(.unavailable, "a path with a zero byte in it, which the system would cut short")
        }
        let failure = Self.making.withLock { _ in mayCreate ? Self.make(path) : 0 }
        var status = stat()
        guard failure == 0, lstat(path, &status) == 0 else {
            throw PeerstoreError(.unavailable, "\(path) can't be opened: \(String(cString: strerror(failure == 0 ? errno : failure)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PeerstoreError(.unavailable, "\(path) is not a regular file")
        }
        guard status.st_mode & 0o077 == 0 || !OwnerOnlyFile.keepsModes(beside: path) else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw PeerstoreError(.exposed, "\(path) has mode 0\(mode): others may read whom this node knows. `chmod 600` it to go on")
        }
        guard access(path, mayCreate ? R_OK | W_OK : R_OK) == 0 else {
            throw PeerstoreError(.unavailable, "\(path) can't be opened: \(String(cString: strerror(errno)))")
        }
    }

    /// In bytes; zero where nothing is.
    static func size(_ path: String) -> Int {
        var status = stat()
        return lstat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Makes an empty file unless something is there, be it a link that leads nowhere.
    ///
    /// - Returns: zero, or why it was not made.
    private static func make(_ path: String) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return errno == EEXIST ? 0 : errno }
        close(descriptor)
        return 0
    }
}
