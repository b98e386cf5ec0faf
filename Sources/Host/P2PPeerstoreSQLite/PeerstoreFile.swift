#if SQLite
    import GRDB
    import P2PCore
    import Synchronization

    /// The open file. Every access is a transaction, one after the other, on a queue of its own.
    final class PeerstoreFile: Sendable {
        /// How long a change waits for another process that writes, in milliseconds: not long, since reads wait for it.
        private static let busyTimeout = 250

        private let file: TablesFile
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
            self.file = TablesFile(path, kind: "peerstore", size: limits.fileSize)
            self.queue = try self.file.open(isReadOnly: isReadOnly, migrator: PeerstoreSchema.migrator)
            do {
                if !isReadOnly {
                    try self.queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA busy_timeout = \(Self.busyTimeout)") }
                }
                let kept = try isReadOnly ? self.queue.read(PeerstoreTables.age) : self.queue.write(PeerstoreTables.bringToAge)
                self.age = Mutex(PeerstoreAge(kept: kept, wall: time.wall(), steady: time.steady()))
            } catch {
                throw self.file.error("can't be used", error)
            }
        }

        /// What to tell people about a failure of the file.
        func error(_ what: String, _ cause: any Error) -> PeerstoreError {
            self.file.error(what, cause)
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
