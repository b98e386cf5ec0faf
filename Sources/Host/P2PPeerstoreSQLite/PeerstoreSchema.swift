#if SQLite
    import GRDB

    /// The tables, and how older files get them.
    enum PeerstoreSchema {
        static let first = "1: peers and addresses"
        static let second = "2: metadata, and the order in which peers make room"

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
            migrator.registerMigration(Self.second) { database in
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
            migrator.registerMigration("3: where an address holds") { database in
                // Whoever told a loopback address before was believed wherever that was, so nothing speaks for those now.
                try database.execute(
                    sql: """
                        ALTER TABLE address ADD COLUMN origin TEXT;
                        ALTER TABLE peer ADD COLUMN origin TEXT;
                        DELETE FROM address WHERE source NOT IN ('connected', 'given') AND (
                            address LIKE '/ip4/127.%' OR address LIKE '/ip6/::1/%' OR address LIKE '/ip6/::ffff:127.%'
                            OR address LIKE '/ip4/0.%' OR address LIKE '/ip6/::/%' OR address LIKE '/ip6zone/%' OR address LIKE '/unix/%'
                            OR address LIKE '/memory/%' OR address LIKE '/dns%/localhost/%');
                        """)
            }
            migrator.registerMigration("4: the age of the file") { database in
                try database.execute(
                    sql: "CREATE TABLE clock (id INTEGER PRIMARY KEY NOT NULL, age INTEGER NOT NULL, wall INTEGER NOT NULL)")
            }
            return migrator
        }
    }
#endif
