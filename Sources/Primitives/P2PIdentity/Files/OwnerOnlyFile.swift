#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Small files that hold a secret: readable by their owner alone, written whole or not at all.
package enum OwnerOnlyFile {
    /// Reads all of a file.
    ///
    /// - Parameters:
    ///   - path: A regular file, not a symbolic link, without permissions for group or others.
    ///   - limit: The most bytes that it may have.
    /// - Throws: `IdentityError` with code `.keyFileMissing`, `.keyFileNotRegular`, `.keyFileExposed`, `.keyFileEmpty`, `.keyFileTooLarge`
    ///   or `.keyFileUnavailable`.
    package static func read(_ path: String, upTo limit: Int) throws(IdentityError) -> [UInt8] {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        let file = try FileDescriptor.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        let status = try file.status(of: path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IdentityError(.keyFileNotRegular, "\(path) is not a regular file")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw IdentityError(.keyFileExposed, "\(path) has mode 0\(mode): others may use the key. `chmod 600` it if they never did")
        }
        guard status.st_size > 0 else {
            throw IdentityError(.keyFileEmpty, "\(path) is empty")
        }
        guard status.st_size <= off_t(limit) else {
            throw IdentityError(.keyFileTooLarge, "\(path) has \(status.st_size) bytes; such a key has at most \(limit)")
        }
        return try file.read(upTo: limit + 1, from: path)
    }

    /// Writes a file with mode 0600. It appears under its name whole and on the disk, or not at all.
    ///
    /// - Parameters:
    ///   - bytes: What it is to hold.
    ///   - path: Where to; its directory must exist.
    ///   - replacing: Whether an existing regular file may be replaced. If not, the check and the writing are one step.
    /// - Throws: `IdentityError` with code `.keyFileExists`, `.keyFileMissing` (there is no such directory), `.keyFileNotRegular` or
    ///   `.keyFileUnavailable`.
    package static func write(_ bytes: [UInt8], to path: String, replacing: Bool) throws(IdentityError) {
        try self.write(bytes, to: path, replacing: replacing, writing: FileDescriptor.systemWrite)
    }

    /// The same, with the system call that writes as a parameter, so that a full disk can be tried.
    static func write(
        _ bytes: [UInt8], to path: String, replacing: Bool, writing: FileDescriptor.Write
    ) throws(IdentityError) {
        let temporary = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
        let file = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
        do throws(IdentityError) {
            try file.setOwnerOnly(temporary)
            try file.write(bytes, to: temporary, with: writing)
            try file.synchronize(temporary)
            try self.publish(temporary, as: path, replacing: replacing)
        } catch {
            _ = unlink(temporary)
            throw error
        }
        try FileDescriptor.open(self.directory(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC).synchronize(self.directory(of: path))
    }

    /// Gives the finished file its name. A hard link, unlike a rename, fails when the name is taken.
    private static func publish(_ temporary: String, as path: String, replacing: Bool) throws(IdentityError) {
        if replacing {
            var status = stat()
            guard lstat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
                throw IdentityError(.keyFileNotRegular, "\(path) is not a regular file, and so nothing to replace")
            }
            guard rename(temporary, path) == 0 else { throw .system("rename", path) }
            return
        }
        guard link(temporary, path) == 0 else { throw .system("link", path) }
        guard unlink(temporary) == 0 else { throw .system("unlink", temporary) }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
