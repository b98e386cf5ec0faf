import Foundation

/// The databases of one folder, each in a file.
actor Store {
    /// How many there may be.
    static let mostDatabases = 100

    private let folder: URL
    private let capacity: Int
    private var databases: [String: Database] = [:]

    /// Opens the folder, or makes it.
    ///
    /// - Parameter capacity: bytes of the documents of one database.
    /// - Throws: when a database in it is damaged, or another program has it.
    init(_ folder: URL, capacity: Int) throws {
        self.folder = folder
        self.capacity = capacity
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try Self.lock(folder)
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let name = file.deletingPathExtension().lastPathComponent
            guard file.pathExtension == "couch", Self.isName(name) else { continue }
            try? FileManager.default.removeItem(at: Journal.draft(of: file))
            self.databases[name] = try Database(name, in: file, capacity: capacity)
        }
    }

    /// Two programs on one folder would write into each other's lines. The lock goes with the process.
    private static func lock(_ folder: URL) throws {
        let descriptor = open(folder.appending(path: "lock").path(percentEncoded: false), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw Journal.Damaged(description: "another program has \(folder.path(percentEncoded: false))")
        }
    }

    /// A small letter, then small letters, digits, `_` and `-`: a part of what CouchDB allows.
    static func isName(_ text: String) -> Bool {
        guard (1...100).contains(text.utf8.count), text.utf8.first.map({ (0x61...0x7a).contains($0) }) == true else { return false }
        return text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f || $0 == 0x2d }
    }

    var names: [String] { self.databases.keys.sorted() }

    func database(_ name: String) throws(Refusal) -> Database {
        guard let database = self.databases[name] else { throw .notFound("Database does not exist.") }
        return database
    }

    func create(_ name: String) throws {
        guard Self.isName(name) else { throw Refusal(status: 400, error: "illegal_database_name", reason: "a-z, then a-z, 0-9, _ and -") }
        guard self.databases[name] == nil else {
            throw Refusal(status: 412, error: "file_exists", reason: "The database could not be created, the file already exists.")
        }
        guard self.databases.count < Self.mostDatabases else { throw Refusal.full("there are \(Self.mostDatabases) databases") }
        self.databases[name] = try Database(name, in: self.file(name), capacity: self.capacity)
    }

    func delete(_ name: String) async throws {
        let database = try self.database(name)
        try FileManager.default.removeItem(at: self.file(name))
        self.databases[name] = nil
        await database.close()
    }

    private func file(_ name: String) -> URL { self.folder.appending(path: "\(name).couch", directoryHint: .notDirectory) }
}
