#if SQLite
    import GRDB
    import P2PCore
    import P2PPeerstoreSQLite

    /// The open file. Every access is a transaction, one after the other, on a queue of its own.
    final class KademliaFile: Sendable {
        /// The greatest size of the file, in bytes: a million keys and all that a table keeps.
        static let size = 512 * 1_024 * 1_024

        private let queue: DatabaseQueue

        /// Opens the file, makes it if it may, and brings it up to date.
        init(_ path: String) throws(PeerstoreError) {
            self.queue = try TablesFile(path, kind: "hash table", size: Self.size).open(migrator: KademliaSchema.migrator)
        }

        /// Not cut short by the cancellation of the caller: what a table holds is worth keeping also while a host ends.
        func write<Value: Sendable>(
            _ network: ProtocolID, _ body: @escaping @Sendable (KademliaTables) throws -> Value
        ) async throws -> Value {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
                self.queue.asyncWrite { database in
                    try body(KademliaTables(database: database, network: network.name))
                } completion: { _, result in
                    continuation.resume(with: result)
                }
            }
        }

        /// The same without the lock of a writer.
        func read<Value: Sendable>(
            _ network: ProtocolID, _ body: @escaping @Sendable (KademliaTables) throws -> Value
        ) async throws -> Value {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
                self.queue.asyncRead { database in
                    continuation.resume(with: Result { try body(KademliaTables(database: database.get(), network: network.name)) })
                }
            }
        }

        /// Puts the log into the file and closes it; waits for what is under way.
        func close() { try? self.queue.close() }
    }

    /// The tables, and how older files get them.
    enum KademliaSchema {
        /// Each step is applied once, in a transaction; a step that has been released never changes.
        static var migrator: DatabaseMigrator {
            var migrator = DatabaseMigrator()
            migrator.registerMigration("1: keys, members, values and providers") { database in
                try database.execute(
                    sql: """
                        CREATE TABLE provided (
                            network TEXT NOT NULL, place BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (network, place)
                        ) WITHOUT ROWID;
                        CREATE TABLE member (
                            network TEXT NOT NULL, peer BLOB NOT NULL, number INTEGER NOT NULL, addresses BLOB NOT NULL,
                            PRIMARY KEY (network, peer)
                        ) WITHOUT ROWID;
                        CREATE TABLE value (
                            network TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, received TEXT, own INTEGER NOT NULL,
                            expires INTEGER NOT NULL, PRIMARY KEY (network, key)
                        );
                        CREATE TABLE provider (
                            network TEXT NOT NULL, key BLOB NOT NULL, peer BLOB NOT NULL, addresses BLOB NOT NULL,
                            expires INTEGER NOT NULL, PRIMARY KEY (network, key, peer)
                        ) WITHOUT ROWID;
                        CREATE TABLE telling (
                            network TEXT PRIMARY KEY NOT NULL, time INTEGER NOT NULL, addresses BLOB NOT NULL
                        ) WITHOUT ROWID;
                        """)
            }
            return migrator
        }
    }
#endif
