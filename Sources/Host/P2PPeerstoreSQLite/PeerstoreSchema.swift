#if SQLite
    import GRDB

    /// The tables, and how older files get them.
    enum PeerstoreSchema {
        static let first = "1: peers and addresses"

        /// Each step is applied once, in a transaction; a step that has been released never changes.
        static var migrator: DatabaseMigrator {
            var migrator = DatabaseMigrator()
            migrator.registerMigration(Self.first) { database in
                try database.execute(
                    sql: """
                        CREATE TABLE peer (
                            id TEXT PRIMARY KEY NOT NULL,
                            seen INTEGER,
                            introduced INTEGER NOT NULL DEFAULT 0,
                            key BLOB,
                            agent TEXT NOT NULL DEFAULT '',
                            protocolVersion TEXT NOT NULL DEFAULT '',
                            protocols TEXT NOT NULL DEFAULT '',
                            told TEXT NOT NULL DEFAULT '',
                            record BLOB
                        ) WITHOUT ROWID;
                        CREATE TABLE address (
                            peer TEXT NOT NULL REFERENCES peer(id) ON DELETE CASCADE,
                            address TEXT NOT NULL,
                            source TEXT NOT NULL,
                            expires INTEGER NOT NULL,
                            PRIMARY KEY (peer, address)
                        ) WITHOUT ROWID;
                        """)
            }
            migrator.registerMigration("2: metadata, and the order in which peers make room") { database in
                try database.execute(
                    sql: """
                        CREATE TABLE metadata (
                            peer TEXT NOT NULL REFERENCES peer(id) ON DELETE CASCADE,
                            name TEXT NOT NULL,
                            value BLOB NOT NULL,
                            PRIMARY KEY (peer, name)
                        ) WITHOUT ROWID;
                        ALTER TABLE peer ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;
                        UPDATE peer SET touched = coalesce(seen, 0);
                        CREATE INDEX peerByTouch ON peer(touched);
                        CREATE INDEX peerByWorth ON peer(seen IS NOT NULL, touched);
                        """)
            }
            return migrator
        }
    }
#endif
