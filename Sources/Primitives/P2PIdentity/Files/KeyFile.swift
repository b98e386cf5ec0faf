#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Key files: the bare protobuf message `PrivateKey`, which other libp2p implementations read and write as well.
///
/// A file that is not exactly one whole key under its owner's eyes alone is refused with the reason, and nothing here ever replaces a file
/// that it was not told to replace: losing the file means losing the identity.
public enum KeyFile {
    /// Reads a key.
    ///
    /// - Parameter path: A regular file, not a symbolic link, without permissions for group or others.
    /// - Throws: `IdentityError` with code `.keyFileMissing`, `.keyFileNotRegular`, `.keyFileExposed`, `.keyFileEmpty`, `.keyFileTooLarge`,
    ///   `.keyFileDamaged` (with the reason as `cause`) or `.keyFileUnavailable`.
    public static func read(_ path: String) throws(IdentityError) -> PrivateKey {
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
        guard status.st_size <= off_t(PrivateKey.maximumEncodedSize) else {
            throw IdentityError(.keyFileTooLarge, "\(path) has \(status.st_size) bytes; a key has at most \(PrivateKey.maximumEncodedSize)")
        }
        let bytes = try file.read(upTo: PrivateKey.maximumEncodedSize + 1, from: path)
        do {
            return try PrivateKey(protobufEncoded: bytes)
        } catch {
            throw IdentityError(.keyFileDamaged, "\(path) does not hold one whole private key", cause: error)
        }
    }

    /// Writes a key with mode 0600.
    ///
    /// The file appears under its name whole and on the disk, or not at all.
    ///
    /// - Parameters:
    ///   - key: The key to keep.
    ///   - path: Where to; its directory must exist.
    ///   - replacing: Whether an existing regular file may be replaced. If not, the check and the writing are one step.
    /// - Throws: `IdentityError` with code `.keyFileExists`, `.keyFileMissing` (there is no such directory), `.keyFileNotRegular` or
    ///   `.keyFileUnavailable`.
    public static func write(_ key: PrivateKey, to path: String, replacing: Bool = false) throws(IdentityError) {
        try self.write(key.protobufEncoded, to: path, replacing: replacing, writing: FileDescriptor.systemWrite)
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
