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
    ///   - path: A regular file without permissions for group or others, or symbolic links to one that nobody else may change.
    ///   - limit: The most bytes that it may have.
    ///   - noting: Is told what people should know of a file that is read all the same.
    /// - Throws: `IdentityError` with code `.keyFileMissing`, `.keyFileNotRegular`, `.keyFileExposed`, `.keyFileEmpty`, `.keyFileTooLarge`
    ///   or `.keyFileUnavailable`.
    package static func read(
        _ path: String, upTo limit: Int, noting: (String) -> Void = { _ in }
    ) throws(IdentityError) -> [UInt8] {
        let walk = try self.walk(path)
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        let file: FileDescriptor
        do throws(IdentityError) {
            file = try FileDescriptor.open(walk.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        } catch {
            throw self.explained(error, walk.path)
        }
        let status = try file.status(of: path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IdentityError(.keyFileNotRegular, "\(path) is not a regular file")
        }
        guard !walk.hasLinks || LinkWalk.isTrusted(status.st_uid) else {
            throw IdentityError(
                .keyFileExposed, "\(path) leads to \(walk.path), which belongs to user \(status.st_uid), who may change it")
        }
        try self.checkMode(status.st_mode, of: path, at: walk.path, noting)
        guard status.st_size > 0 else {
            throw IdentityError(
                .keyFileEmpty,
                "\(path) is empty. Making a key that was cut short may leave such a file: remove it if it never held a key, else restore the key"
            )
        }
        guard status.st_size <= off_t(limit) else {
            throw IdentityError(.keyFileTooLarge, "\(path) has \(status.st_size) bytes; such a key has at most \(limit)")
        }
        return try file.read(upTo: limit + 1, from: path)
    }

    private static func walk(_ path: String) throws(IdentityError) -> LinkWalk {
        guard !path.utf8.contains(0) else {
            throw IdentityError(.keyFileUnavailable, "a path with a zero byte in it, which the system would cut short")
        }
        guard !path.isEmpty else { throw IdentityError(.keyFileMissing, "a path without a name") }
        return try LinkWalk(path)
    }

    /// Says whose the file is, where that is why it can't be opened.
    private static func explained(_ error: IdentityError, _ path: String) -> IdentityError {
        var status = stat()
        guard error.code == .keyFileUnavailable, lstat(path, &status) == 0, status.st_uid != geteuid() else { return error }
        let mode = String(status.st_mode & 0o777, radix: 8)
        return IdentityError(
            error.code,
            """
            \(error.message). It belongs to user \(status.st_uid) and has mode 0\(mode), and this process is user \(geteuid()): have that user \
            own it (a container's runAsUser, or `chown`)
            """)
    }

    private static func checkMode(_ mode: mode_t, of path: String, at real: String, _ noting: (String) -> Void) throws(IdentityError) {
        guard mode & 0o077 != 0 else { return }
        let digits = String(mode & 0o777, radix: 8)
        let whom = [mode & 0o070 != 0 ? "its group" : nil, mode & 0o007 != 0 ? "others" : nil].compactMap { $0 }.joined(separator: " and ")
        guard !self.keepsModes(beside: real) else {
            throw IdentityError(
                .keyFileExposed,
                """
                \(path) has mode 0\(digits): \(whom) may use the key. `chmod 600` it if they never did; a mounted secret needs its mode set to \
                0400 (Kubernetes: defaultMode)
                """)
        }
        noting(
            "\(path) has mode 0\(digits), because its file system keeps no modes: \(whom) may use the key unless a folder above keeps them out"
        )
    }

    /// Whether the file system there can keep others out of a file. FAT and many network mounts show one mode for all files.
    package static func keepsModes(beside path: String) -> Bool {
        let probe = self.temporary(for: path)
        guard let file = try? FileDescriptor.open(probe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC) else { return true }
        defer { _ = unlink(probe) }
        return (try? file.setOwnerOnly(probe)) ?? true
    }

    private static func temporary(for path: String) -> String {
        "\(path).\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
    }

    /// Writes a file with mode 0600. It appears under its name whole and on the disk, or not at all; where a file system has no way to do that
    /// for a new name (see ``NewName``), a process that is killed at that moment leaves an empty file.
    ///
    /// - Parameters:
    ///   - bytes: What it is to hold.
    ///   - path: Where to; its directory must exist.
    ///   - replacing: Whether an existing regular file may be replaced. If not, the check and the writing are one step.
    ///   - noting: Is told when the file system keeps no modes, so that others may read the file.
    /// - Throws: `IdentityError` with code `.keyFileExists`, `.keyFileMissing` (there is no such directory), `.keyFileNotRegular` or
    ///   `.keyFileUnavailable`.
    package static func write(
        _ bytes: [UInt8], to path: String, replacing: Bool, noting: (String) -> Void = { _ in }
    ) throws(IdentityError) {
        try self.write(bytes, to: path, replacing: replacing, noting: noting, naming: NewName(), writing: FileDescriptor.systemWrite)
    }

    /// The same, with the system calls that write and give a name as parameters, so that a full disk and other file systems can be tried.
    static func write(
        _ bytes: [UInt8], to path: String, replacing: Bool, noting: (String) -> Void = { _ in }, naming: NewName = NewName(),
        writing: FileDescriptor.Write = FileDescriptor.systemWrite
    ) throws(IdentityError) {
        let temporary = self.temporary(for: path)
        let file = try FileDescriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
        do throws(IdentityError) {
            if !(try file.setOwnerOnly(temporary)) {
                noting("the file system of \(path) keeps no modes: others may read the key unless a folder above keeps them out")
            }
            try file.write(bytes, to: temporary, with: writing)
            try file.synchronize(temporary)
            if replacing { try self.replace(path, with: temporary) } else { try naming.give(path, to: temporary) }
        } catch {
            _ = unlink(temporary)
            throw error
        }
        // The file is there; a directory that can't be opened only leaves it to the system when its name is on the disk.
        guard let directory = try? FileDescriptor.open(self.directory(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC) else { return }
        try directory.synchronize(self.directory(of: path))
    }

    private static func replace(_ path: String, with temporary: String) throws(IdentityError) {
        var status = stat()
        guard lstat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
            throw IdentityError(.keyFileNotRegular, "\(path) is not a regular file, and so nothing to replace")
        }
        guard rename(temporary, path) == 0 else { throw .system("rename", path) }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
