#if SQLite
    import GRDB
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr

    #if canImport(FoundationEssentials)
        internal import FoundationEssentials
    #else
        internal import Foundation
    #endif

    /// The tables within one transaction, at one moment. What it reads is checked as if a stranger had written it.
    struct PeerstoreTables {
        /// The longest time that an address is kept, in seconds: ten years.
        private static let longestTimeToLive: Int64 = 315_360_000
        /// Of the file, in percent: beyond, peers make room.
        private static let fillLimit = 90

        let database: Database
        let limits: PeerstoreLimits
        /// Seconds since 1970.
        let now: Int64

        // MARK: Addresses

        func add(_ addresses: [Multiaddr], of peer: String, source: AddressSource, timeToLive: Duration) throws {
            let seconds = min(timeToLive.components.seconds, Self.longestTimeToLive)
            guard timeToLive > .zero, seconds > 0, !addresses.isEmpty else { return }
            try self.touch(peer)
            try self.database.execute(sql: "DELETE FROM address WHERE peer = ? AND expires <= ?", arguments: [peer, self.now])
            for address in addresses {
                try self.database.execute(
                    sql: """
                        INSERT INTO address (peer, address, source, expires) VALUES (?, ?, ?, ?)
                        ON CONFLICT (peer, address) DO UPDATE SET
                            expires = max(expires, excluded.expires),
                            source = CASE WHEN \(Self.rank("excluded.source")) < \(Self.rank("source")) THEN excluded.source ELSE source END
                        """,
                    arguments: [peer, address.withoutPeerID.description, source.rawValue, self.now + seconds])
            }
            try self.database.execute(
                sql: """
                    DELETE FROM address WHERE peer = ?1 AND address NOT IN (
                        SELECT address FROM address WHERE peer = ?1 ORDER BY expires DESC, \(Self.rank("source")) LIMIT ?2)
                    """, arguments: [peer, self.limits.addressesPerPeer])
        }

        func addresses(of peer: String) throws -> [StoredPeer.Address] {
            try Row.fetchAll(
                self.database,
                sql: "SELECT address, source, expires FROM address WHERE peer = ? AND expires > ? ORDER BY \(Self.rank("source")), address",
                arguments: [peer, self.now]
            ).compactMap { row in
                guard let text = String.fromDatabaseValue(row["address"]), let address = try? Multiaddr(text),
                    let source = String.fromDatabaseValue(row["source"]).flatMap(AddressSource.init),
                    let expires = Self.integer(row["expires"])
                else { return nil }
                return StoredPeer.Address(address: address, source: source, expiresAt: expires)
            }
        }

        /// SQL for the place of a source among the others, zero for the most reliable.
        private static func rank(_ column: String) -> String {
            let cases = AddressSource.allCases.map { "WHEN '\($0.rawValue)' THEN \($0.reliability)" }
            return "CASE \(column) \(cases.joined(separator: " ")) ELSE \(AddressSource.allCases.count) END"
        }

        // MARK: Peers

        /// By name: to ask a row for a column that a damaged table has lost would be a trap.
        private static let columns = "id, seen, introduced, key, agent, protocolVersion, protocols, told, record"

        func remember(_ introduction: Introduction, of peer: String) throws {
            try self.touch(peer)
            let told = introduction.listenAddresses.prefix(self.limits.addressesPerPeer).map(\.withoutPeerID.description)
            let record = introduction.signedRecord.flatMap { $0.count <= PeerstoreLimits.recordSize ? Data($0) : nil }
            try self.database.execute(
                sql: """
                    UPDATE peer SET introduced = 1, key = ?, agent = ?, protocolVersion = ?, protocols = ?, told = ?, record = ? WHERE id = ?
                    """,
                arguments: [
                    introduction.publicKey.map { Data($0.protobufEncoded) }, Self.clipped(introduction.agentVersion),
                    Self.clipped(introduction.protocolVersion),
                    introduction.protocols.prefix(self.limits.protocolsPerPeer).map(\.name).joined(separator: "\n"),
                    told.joined(separator: "\n"), record, peer,
                ])
            let gone = try String.fetchAll(
                self.database, sql: "SELECT address FROM address WHERE peer = ? AND source IN ('identify', 'certified')", arguments: [peer]
            ).filter { !told.contains($0) }
            for address in gone {
                try self.database.execute(sql: "DELETE FROM address WHERE peer = ? AND address = ?", arguments: [peer, address])
            }
        }

        private static func clipped(_ version: String) -> String { String(version.prefix(PeerstoreLimits.versionLength)) }

        func introduction(of peer: PeerID) throws -> Introduction? {
            try Row.fetchOne(
                self.database, sql: "SELECT \(Self.columns) FROM peer WHERE id = ? AND introduced = 1", arguments: [peer.description]
            ).map { Self.introduction($0, of: peer) }
        }

        /// A key or record that is not the peer's own counts as none.
        private static func introduction(_ row: Row, of peer: PeerID) -> Introduction {
            let key = Data.fromDatabaseValue(row["key"]).flatMap { try? PublicKey(protobufEncoded: Array($0)) }
            let record = Data.fromDatabaseValue(row["record"]).map { Array($0) }
            return Introduction(
                publicKey: key.flatMap { PeerID($0) == peer ? $0 : nil },
                listenAddresses: Self.lines(row["told"]).compactMap { try? Multiaddr($0) },
                protocols: Self.lines(row["protocols"]).compactMap { ProtocolID(validating: $0) },
                protocolVersion: String.fromDatabaseValue(row["protocolVersion"]) ?? "",
                agentVersion: String.fromDatabaseValue(row["agent"]) ?? "",
                signedRecord: record.flatMap { (try? PeerRecord.open($0, from: peer)) == nil ? nil : $0 })
        }

        private static func lines(_ value: DatabaseValue) -> [String] {
            String.fromDatabaseValue(value)?.split(separator: "\n").map(String.init) ?? []
        }

        private static func integer(_ value: DatabaseValue) -> Int64? {
            guard case .int64(let integer) = value.storage else { return nil }
            return integer
        }

        func saw(_ peer: String) throws {
            try self.touch(peer)
            try self.database.execute(sql: "UPDATE peer SET seen = ? WHERE id = ?", arguments: [self.now, peer])
        }

        func lastSeen(of peer: String) throws -> Int64? {
            try DatabaseValue.fetchOne(self.database, sql: "SELECT seen FROM peer WHERE id = ?", arguments: [peer]).flatMap(Self.integer)
        }

        func peers() throws -> [PeerID] {
            try DatabaseValue.fetchAll(
                self.database,
                sql: "SELECT id FROM peer WHERE EXISTS (SELECT 1 FROM address WHERE peer = id AND expires > ?) ORDER BY touched DESC, id",
                arguments: [self.now]
            ).compactMap { String.fromDatabaseValue($0).flatMap { try? PeerID(string: $0) } }
        }

        func forget(_ peer: String) throws {
            try self.database.execute(sql: "DELETE FROM peer WHERE id = ?", arguments: [peer])
        }

        func contents() throws -> [StoredPeer] {
            try Row.fetchAll(self.database, sql: "SELECT \(Self.columns) FROM peer ORDER BY touched DESC, id").compactMap { row in
                guard let id = String.fromDatabaseValue(row["id"]), let peer = try? PeerID(string: id) else { return nil }
                return StoredPeer(
                    peer: peer, addresses: try self.addresses(of: id),
                    introduction: Self.integer(row["introduced"]) == 1 ? Self.introduction(row, of: peer) : nil,
                    lastSeen: Self.integer(row["seen"]))
            }
        }

        // MARK: Metadata

        func setMetadata(_ value: [UInt8]?, named name: String, of peer: String) throws {
            guard let value else {
                try self.database.execute(sql: "DELETE FROM metadata WHERE peer = ? AND name = ?", arguments: [peer, name])
                return
            }
            let others = try Int.fetchOne(
                self.database, sql: "SELECT count(*) FROM metadata WHERE peer = ? AND name <> ?", arguments: [peer, name])
            try self.limits.metadata.check(value, named: name, others: others ?? 0)
            try self.touch(peer)
            try self.database.execute(
                sql: "INSERT OR REPLACE INTO metadata (peer, name, value) VALUES (?, ?, ?)", arguments: [peer, name, Data(value)])
        }

        func metadata(named name: String, of peer: String) throws -> [UInt8]? {
            try Row.fetchOne(self.database, sql: "SELECT value FROM metadata WHERE peer = ? AND name = ?", arguments: [peer, name])
                .flatMap { Data.fromDatabaseValue($0["value"]) }.map { Array($0) }
        }

        // MARK: Room

        /// Makes sure that the peer has a row, and that there is room for it.
        private func touch(_ peer: String) throws {
            // Seconds are too coarse for an order, so the last touch is outdone by one.
            let last = try Int64.fetchOne(self.database, sql: "SELECT max(touched) FROM peer") ?? 0
            try self.database.execute(
                sql: "UPDATE peer SET touched = ? WHERE id = ?", arguments: [max(last &+ 1, self.now), peer])
            if self.database.changesCount == 0 {
                try self.database.execute(
                    sql: "INSERT INTO peer (id, touched) VALUES (?, ?)", arguments: [peer, max(last &+ 1, self.now)])
                let count = try Int.fetchOne(self.database, sql: "SELECT count(*) FROM peer") ?? 0
                if count > self.limits.peers { try self.evict(count - self.limits.peers, except: peer) }
            }
            while try self.isNearlyFull(), try self.evict(16, except: peer) {}
        }

        private func isNearlyFull() throws -> Bool {
            let pages = try Int.fetchOne(self.database, sql: "PRAGMA page_count") ?? 0
            let free = try Int.fetchOne(self.database, sql: "PRAGMA freelist_count") ?? 0
            let limit = try Int.fetchOne(self.database, sql: "PRAGMA max_page_count") ?? .max
            return pages - free > limit / 100 * Self.fillLimit
        }

        /// - Returns: false when there was nobody left to make room.
        @discardableResult
        private func evict(_ count: Int, except peer: String) throws -> Bool {
            try self.database.execute(
                sql: "DELETE FROM peer WHERE id IN (SELECT id FROM peer WHERE id <> ? ORDER BY seen IS NOT NULL, touched LIMIT ?)",
                arguments: [peer, count])
            return self.database.changesCount > 0
        }
    }
#endif
