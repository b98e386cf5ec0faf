import Foundation

/// A file to which entries are appended, those of a batch on one line behind its checksum. The line that was being written when the machine
/// or the program died is cut off when it is opened again; what was said to be kept is there.
struct Journal {
    /// Digits of a line's checksum.
    private static let digits = 16
    /// Bytes that are read at a time.
    private static let piece = 1_024 * 1_024
    /// Entries on a line when all are written anew.
    private static let batch = 256

    struct Damaged: Error, CustomStringConvertible {
        let description: String
    }

    private(set) var file: URL
    private let handle: FileHandle
    /// Where the next line begins.
    private(set) var end: UInt64
    /// Whether half a line stands at the end, and can't be taken away.
    private var isBroken = false
    /// Entries in the file.
    private(set) var count = 0

    /// Opens a file, or makes it, and reads it.
    ///
    /// - Throws: ``Damaged`` if a line that others follow is not what was written.
    init(_ file: URL, _ read: (JSON) throws -> Void) throws {
        let path = file.path(percentEncoded: false)
        let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Damaged(description: "\(path) can't be opened: \(String(cString: strerror(errno)))") }
        try Self.synchronizeFolder(of: file)
        self.file = file
        self.end = 0
        self.handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var (rest, whole, number, damage) = (Data(), UInt64(0), 0, Int?.none)
        while let bytes = try self.handle.read(upToCount: Self.piece), !bytes.isEmpty {
            rest.append(bytes)
            while let end = rest.firstIndex(of: 0x0a) {
                let line = rest[rest.startIndex..<end]
                if let damage { throw Damaged(description: "line \(damage) of \(path) is damaged") }
                number += 1
                if let entries = Self.entries(line) {
                    for entry in entries { try read(entry) }
                    self.count += entries.count
                    whole += UInt64(line.count) + 1
                } else {
                    damage = number
                }
                rest = rest[rest.index(after: end)...]
            }
            rest = Data(rest)
        }
        self.end = whole
        try self.goBack()
    }

    /// Takes away what stands behind the last whole line.
    private func goBack() throws {
        try self.handle.truncate(atOffset: self.end)
        try self.handle.seek(toOffset: self.end)
    }

    /// Has the system keep the names of a folder: that of a file that is new.
    private static func synchronizeFolder(of file: URL) throws {
        let path = file.deletingLastPathComponent().path(percentEncoded: false)
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw Damaged(description: "\(path) can't be kept: \(String(cString: strerror(errno)))")
        }
    }

    /// Appends a batch; when it returns it is on the disk.
    ///
    /// - Throws: when there is no room, for instance; then nothing was appended.
    mutating func append(_ entries: [JSON]) throws {
        guard !self.isBroken else { throw Damaged(description: "\(self.file.lastPathComponent) can't be written any more") }
        let line = Self.line(entries)
        do {
            try self.handle.write(contentsOf: line)
            try self.handle.synchronize()
        } catch {
            // What follows must not stand behind half a line.
            do { try self.goBack() } catch { self.isBroken = true }
            throw error
        }
        self.end += UInt64(line.count)
        self.count += entries.count
    }

    /// Where the file is written that will stand in the place of another; one that is found was given up.
    static func draft(of file: URL) -> URL { file.appendingPathExtension("new") }

    /// A file with these entries in the place of this one, at once or not at all.
    ///
    /// - Throws: when there is no room, for instance; then this one goes on.
    func replaced(by entries: [JSON]) throws -> Journal {
        let other = Self.draft(of: self.file)
        try? FileManager.default.removeItem(at: other)
        var journal: Journal
        do {
            journal = try Journal(other) { _ in }
            for first in stride(from: 0, to: entries.count, by: Self.batch) {
                try journal.append(Array(entries[first..<min(first + Self.batch, entries.count)]))
            }
            guard rename(other.path(percentEncoded: false), self.file.path(percentEncoded: false)) == 0 else {
                throw Damaged(description: "\(self.file.lastPathComponent) can't be replaced: \(String(cString: strerror(errno)))")
            }
        } catch {
            try? FileManager.default.removeItem(at: other)
            throw error
        }
        journal.file = self.file
        // The old file could come back when the machine dies now, without what is appended to this one: nothing is, then.
        do { try Self.synchronizeFolder(of: self.file) } catch { journal.isBroken = true }
        return journal
    }

    private static func line(_ entries: [JSON]) -> Data {
        let data = JSON.list(entries).bytes
        return Data(Checksum.of(data, digits: self.digits).utf8) + [0x20] + data + [0x0a]
    }

    private static func entries(_ line: Data) -> [JSON]? {
        let data = line.dropFirst(self.digits + 1)
        guard line.count > self.digits, line.prefix(self.digits).elementsEqual(Checksum.of(data, digits: self.digits).utf8) else {
            return nil
        }
        return (try? JSON.parse(data))?.list
    }
}
