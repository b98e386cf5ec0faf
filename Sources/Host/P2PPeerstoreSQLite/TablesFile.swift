#if SQLite
    package import GRDB
    package import P2PCore

    /// A file of tables in which a node keeps what must outlast it, and how such a file is opened.
    package struct TablesFile: Sendable {
        private let path: String
        private let kind: String
        private let size: Int

        /// - Parameters:
        ///   - kind: what it is, for people.
        ///   - size: the greatest size of the file, in bytes.
        package init(_ path: String, kind: String, size: Int) {
            self.path = path
            self.kind = kind
            self.size = size
        }

        /// Opens the file, makes it if it may, and brings it up to date.
        ///
        /// - Parameter isReadOnly: neither makes nor changes it.
        package func open(isReadOnly: Bool = false, migrator: DatabaseMigrator) throws(PeerstoreError) -> DatabaseQueue {
            try OwnersFile.prepare(self.path, mayCreate: !isReadOnly)
            do {
                let queue = try DatabaseQueue(path: self.path, configuration: self.configuration(isReadOnly))
                try queue.read(self.check)
                guard try !queue.read(migrator.hasBeenSuperseded) else {
                    throw PeerstoreError(.tooNew, "\(self.path) was written by a later version; use that, or another directory")
                }
                if isReadOnly {
                    guard try queue.read(migrator.hasCompletedMigrations) else {
                        throw PeerstoreError(
                            .unavailable, "\(self.path) is empty or was written by an earlier version: start the node once")
                    }
                } else {
                    try queue.writeWithoutTransaction(Self.prepareForWriting)
                    try migrator.migrate(queue)
                }
                return queue
            } catch let error as PeerstoreError {
                throw error
            } catch {
                throw self.error("can't be used", error)
            }
        }

        /// What to tell people about a failure of the file.
        package func error(_ what: String, _ cause: any Error) -> PeerstoreError {
            if let cause = cause as? DatabaseError, [.SQLITE_NOTADB, .SQLITE_CORRUPT].contains(cause.resultCode) {
                return PeerstoreError(
                    .damaged, "\(self.path) is not an intact \(self.kind); move it away to start with an empty one", cause: cause)
            }
            return PeerstoreError(.unavailable, "the \(self.kind) \(self.path) \(what)", cause: cause)
        }

        private func configuration(_ isReadOnly: Bool) -> Configuration {
            var configuration = Configuration()
            configuration.readonly = isReadOnly
            configuration.busyMode = .timeout(5)
            guard !isReadOnly else { return configuration }
            let size = self.size
            configuration.prepareDatabase { database in
                // Survives a crash of the process; a crash of the system may cost the last changes, never the file.
                try database.execute(sql: "PRAGMA synchronous = NORMAL")
                try database.execute(sql: "PRAGMA journal_size_limit = 1048576")
                let pageSize = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 4_096
                try database.execute(sql: "PRAGMA max_page_count = \(size / max(512, pageSize))")
            }
            return configuration
        }

        /// Turns on the write-ahead log. Not by GRDB's setting, which writes to the file before anybody has looked at it.
        private static func prepareForWriting(_ database: Database) throws {
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL") ?? ""
            guard mode == "wal" else { throw PeerstoreError(.unavailable, "there is no write-ahead log on this file system (\(mode))") }
        }

        /// A damaged page far down would otherwise be met only when somebody needs it.
        private func check(_ database: Database) throws {
            let finding = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "no answer"
            guard finding == "ok" else { throw self.damaged(finding) }
            // What is missing of the last page reads as zeros, which nobody notices where nothing is kept.
            let pageSize = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 1
            guard OwnersFile.size(self.path + "-wal") == 0, OwnersFile.size(self.path) % max(1, pageSize) != 0 else { return }
            throw self.damaged("its last page is cut short")
        }

        private func damaged(_ finding: String) -> PeerstoreError {
            PeerstoreError(.damaged, "\(self.path) is not an intact \(self.kind) (\(finding)); move it away to start with an empty one")
        }
    }
#endif
