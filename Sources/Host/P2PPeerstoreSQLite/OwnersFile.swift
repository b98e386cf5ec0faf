import P2PCore

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
    /// Makes sure that there is such a file, empty if it is new. SQLite gives the files beside it the same permissions.
    ///
    /// - Parameter mayCreate: when false, a missing file is an error.
    static func prepare(_ path: String, mayCreate: Bool) throws(PeerstoreError) {
        guard !path.utf8.contains(0) else {
            throw PeerstoreError(.unavailable, "a path with a zero byte in it, which the system would cut short")
        }
        // Without O_NONBLOCK, opening a pipe would wait for its other end.
        let flags = (mayCreate ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else { throw PeerstoreError(.unavailable, "\(path) can't be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw PeerstoreError(.unavailable, "\(path) is no regular file")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw PeerstoreError(.exposed, "\(path) has mode 0\(mode): others may read whom this node knows. `chmod 600` it to go on")
        }
    }
}
