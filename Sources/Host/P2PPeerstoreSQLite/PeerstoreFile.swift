#if SQLite
    import GRDB
    import P2PCore
    import Synchronization

    /// The open file. Every access is a transaction, one after the other, on a queue of its own.
    final class PeerstoreFile: Sendable {
        /// How long a change waits for another process that writes, in milliseconds: not long, since reads wait for it.
        private static let busyTimeout = 250

        private let queue: DatabaseQueue
        private let limits: PeerstoreLimits
        private let time: PeerstoreTime
        private let age: Mutex<PeerstoreAge>

        /// Opens the file, makes it if it may, and brings it up to date.
        ///
        /// - Parameters:
        ///   - isReadOnly: neither makes nor changes it.
        ///   - time: what the time is.
        init(_ path: String, isReadOnly: Bool, limits: PeerstoreLimits, time: PeerstoreTime) throws(PeerstoreError) {
            self.limits = limits
            self.time = time
            try OwnersFile.prepare(path, mayCreate: !isReadOnly)
            do {
                self.queue = try DatabaseQueue(path: path, configuration: Self.configuration(isReadOnly, limits))
                try self.queue.read { try Self.check($0, path) }
                let migrator = PeerstoreSchema.migrator
                guard try !self.queue.read(migrator.hasBeenSuperseded) else {
                    throw PeerstoreError(.tooNew, "\(path) was written by a later version; use that, or another directory")
                }
                if isReadOnly {
                    guard try self.queue.read(migrator.hasCompletedMigrations) else {
                        throw PeerstoreError(.unavailable, "\(path) is empty or was written by an earlier version: start the node once")
                    }
                } else {
                    try self.queue.writeWithoutTransaction(Self.prepareForWriting)
                    try migrator.migrate(self.queue)
                    try self.queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA busy_timeout = \(Self.busyTimeout)") }
                }
                let kept = try isReadOnly ? self.queue.read(PeerstoreTables.age) : self.queue.write(PeerstoreTables.bringToAge)
                self.age = Mutex(PeerstoreAge(kept: kept, wall: time.wall(), steady: time.steady()))
            } catch let error as PeerstoreError {
                throw error
            } catch {
                throw Self.error("can't be used", path, error)
            }
        }

        /// What to tell people about a failure of the file.
        func error(_ what: String, _ cause: any Error) -> PeerstoreError {
            Self.error(what, self.queue.path, cause)
        }

        private static func error(_ what: String, _ path: String, _ cause: any Error) -> PeerstoreError {
            if let cause = cause as? DatabaseError, [.SQLITE_NOTADB, .SQLITE_CORRUPT].contains(cause.resultCode) {
                return PeerstoreError(.damaged, "\(path) is not an intact peerstore; move it away to start with an empty one", cause: cause)
            }
            return PeerstoreError(.unavailable, "the peerstore \(path) \(what)", cause: cause)
        }

        private static func configuration(_ isReadOnly: Bool, _ limits: PeerstoreLimits) -> Configuration {
            var configuration = Configuration()
            configuration.readonly = isReadOnly
            configuration.busyMode = .timeout(5)
            guard !isReadOnly else { return configuration }
            configuration.prepareDatabase { database in
                // Survives a crash of the process; a crash of the system may cost the last changes, never the file.
                try database.execute(sql: "PRAGMA synchronous = NORMAL")
                try database.execute(sql: "PRAGMA journal_size_limit = 1048576")
                let pageSize = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 4_096
                try database.execute(sql: "PRAGMA max_page_count = \(limits.fileSize / max(512, pageSize))")
            }
            return configuration
        }

        /// Turns on the write-ahead log. Not by GRDB's setting, which writes to the file before anybody has looked at it.
        private static func prepareForWriting(_ database: Database) throws {
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL") ?? ""
            guard mode == "wal" else { throw PeerstoreError(.unavailable, "there is no write-ahead log on this file system (\(mode))") }
        }

        /// A damaged page far down would otherwise be met only when somebody needs it.
        private static func check(_ database: Database, _ path: String) throws {
            let finding = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "no answer"
            guard finding == "ok" else { throw Self.damaged(path, finding) }
            // What is missing of the last page reads as zeros, which nobody notices where nothing is kept.
            let pageSize = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 1
            guard OwnersFile.size(path + "-wal") == 0, OwnersFile.size(path) % max(1, pageSize) != 0 else { return }
            throw Self.damaged(path, "its last page is cut short")
        }

        private static func damaged(_ path: String, _ finding: String) -> PeerstoreError {
            PeerstoreError(.damaged, "\(path) is not an intact peerstore (\(finding)); move it away to start with an empty one")
        }

        /// Not cut short by the cancellation of the caller: what a peer said is worth keeping also while a host ends.
        func write<Value: Sendable>(_ body: @escaping @Sendable (PeerstoreTables) throws -> Value) async throws -> Value {
            let (limits, moment) = (self.limits, self.moment())
            let isDue = self.age.withLock { $0.isDue(moment.age) }
            let value = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
                self.queue.asyncWrite { database in
                    let tables = PeerstoreTables(database: database, limits: limits, moment: moment)
                    if isDue { try tables.keepAge() }
                    return try body(tables)
                } completion: { _, result in
                    continuation.resume(with: result)
                }
            }
            if isDue { self.age.withLock { $0.wasKept(moment.age) } }
            return value
        }

        private func moment() -> PeerstoreTables.Moment {
            let steady = self.time.steady()
            return PeerstoreTables.Moment(age: self.age.withLock { $0.now(steady: steady) }, wall: self.time.wall())
        }

        /// Cut short by the cancellation of the caller, who may have waited long enough for the disk.
        ///
        /// - Throws: `CancellationError` then.
        func read<Value: Sendable>(_ body: @escaping @Sendable (PeerstoreTables) throws -> Value) async throws -> Value {
            let (limits, moment) = (self.limits, self.moment())
            let answer = PeerstoreAnswer<Value>()
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    guard answer.wait(continuation) else { return }
                    self.queue.asyncRead { database in
                        guard answer.isWanted else { return }
                        answer.give(Result { try body(PeerstoreTables(database: database.get(), limits: limits, moment: moment)) })
                    }
                }
            } onCancel: {
                answer.give(.failure(CancellationError()))
            }
        }

        /// Puts the log into the file and closes it; waits for what is under way.
        func close() {
            try? self.queue.close()
        }
    }
#endif
