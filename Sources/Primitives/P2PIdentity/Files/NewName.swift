#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Gives a finished file its name, and never takes a name away from another file.
///
/// No one way works on every file system, so they are tried in turn: a hard link, which FAT, many FUSE file systems and SMB don't have; a
/// rename that fails when the name is taken, which old kernels and FUSE file systems don't have; and a name that is taken with an empty file
/// first, which each has. Only the last may leave something behind when the process is killed in between: that empty file, which is no key.
struct NewName: Sendable {
    /// The ways, each with the signature of link(2): zero, or `errno` is set.
    typealias Way = @Sendable (_ file: String, _ name: String) -> CInt

    private let link: Way
    private let renameUnlessTaken: Way
    private let rename: Way

    init(
        link: @escaping Way = { systemLink($0, $1) }, renameUnlessTaken: @escaping Way = { systemRenameUnlessTaken($0, $1) },
        rename: @escaping Way = { systemRename($0, $1) }
    ) {
        self.link = link
        self.renameUnlessTaken = renameUnlessTaken
        self.rename = rename
    }

    /// Gives `file` the name `path`, and takes its old one away.
    ///
    /// - Throws: `IdentityError` with code `.keyFileExists` when the name is taken.
    func give(_ path: String, to file: String) throws(IdentityError) {
        if self.link(file, path) == 0 {
            guard unlink(file) == 0 else { throw .system("unlink", file) }
            return
        }
        guard SystemGap.isOne(errno) else { throw .system("link", path) }
        if self.renameUnlessTaken(file, path) == 0 { return }
        guard SystemGap.isOne(errno) else { throw .system("rename", path) }
        try self.replaceEmpty(path, with: file)
    }

    private func replaceEmpty(_ path: String, with file: String) throws(IdentityError) {
        _ = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
        guard Self.isEmptyFile(path) else { throw IdentityError(.keyFileExists, "\(path) was put there by somebody else just now") }
        guard self.rename(file, path) == 0 else {
            let error = IdentityError.system("rename", path)
            if Self.isEmptyFile(path) { _ = unlink(path) }
            throw error
        }
    }

    private static func isEmptyFile(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_size == 0
    }
}

private func systemLink(_ file: String, _ name: String) -> CInt { link(file, name) }

private func systemRename(_ file: String, _ name: String) -> CInt { rename(file, name) }

/// A rename that fails with `EEXIST` when the name is taken.
private func systemRenameUnlessTaken(_ file: String, _ name: String) -> CInt {
    #if canImport(Darwin)
        return renamex_np(file, name, UInt32(RENAME_EXCL))
    #else
        // The modules of some C libraries leave it out.
        typealias Rename = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt
        let unlessTaken: CUnsignedInt = 1
        guard let symbol = dlsym(nil, "renameat2") else {
            errno = ENOSYS
            return -1
        }
        return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, file, AT_FDCWD, name, unlessTaken)
    #endif
}
