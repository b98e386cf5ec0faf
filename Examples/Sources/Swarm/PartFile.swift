import Foundation

/// Where a file is written while it comes, and what has come stays for the next fetch if this one ends before it is whole.
///
/// Its name begins with a dot, which no manifest's does (``Fetch/safe(_:)``), so that it is in nobody's way.
struct PartFile {
    let file: URL
    let handle: FileHandle

    /// Makes one, with its folder, or takes the one that another fetch of the same file left behind.
    ///
    /// - Parameter size: what lies beyond that many bytes is cut off.
    /// - Throws: when another fetch of it is writing there.
    init(of name: String, size: Int, in folder: URL) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw Problem("the folder \(folder.path(percentEncoded: false)) can't be made")
        }
        self.file = folder.appending(path: ".swarm-\(name).part", directoryHint: .notDirectory)
        let path = self.file.path(percentEncoded: false)
        var descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        // What is there may be a pipe, for which nobody waits.
        if descriptor < 0, errno == EEXIST { descriptor = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
        guard descriptor >= 0 else { throw Problem("\(path) can't be written: \(String(cString: strerror(errno)))") }
        self.handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
            throw Problem("\(path) is in the way")
        }
        // The lock goes with the process.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw Problem("another fetch of it is writing there") }
        if status.st_size > size { try self.handle.truncate(atOffset: UInt64(size)) }
    }
}
