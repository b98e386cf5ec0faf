package import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A directory that is its owner's alone.
package enum OwnersDirectory {
    /// Makes it, unless there is something by that name.
    ///
    /// - Returns: whether it is a directory, no link, and this user's alone (mode 0700).
    /// - Throws: what the system said.
    package static func prepare(at path: String) throws(IOError) -> Bool {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw IOError(errnoCode: errno, reason: "mkdir") }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw IOError(errnoCode: errno, reason: "lstat") }
        return status.st_mode & S_IFMT == S_IFDIR && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
    }
}
