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
        /// What addresses of peers that were met are kept for, in seconds.
        private static let metPeerTimeToLive: Int64 = 30 * 24 * 3_600
        /// Of the file, in percent: beyond, peers make room.
        private static let fillLimit = 90

        /// What one transaction asks of the whole file, once instead of for each peer.
        final class Totals {
            /// The last touch of any peer.
            var lastTouch: Int64?
            var peers: Int?
            /// Pages that the file may have.
            var pageLimit: Int?
        }

        let database: Database
        let limits: PeerstoreLimits
        let moment: Moment
        let totals = Totals()

        /// A moment, in seconds.
        struct Moment {
            /// Of the file, by which its contents expire; see ``PeerstoreAge``.
            let age: Int64
            /// Since 1970, as the clock has it: what people are told.
            let wall: Int64
        }

        /// When addresses expire, and in which order peers were touched.
        private var now: Int64 { self.moment.age }

        /// Compiled once for each connection, since to compile a statement costs more than to run it.
        private func run(_ sql: String, _ arguments: StatementArguments = []) throws {
            try self.database.cachedStatement(sql: sql).execute(arguments: arguments)
        }

        private func integer(_ sql: String, _ arguments: StatementArguments = []) throws -> Int? {
            try Int.fetchOne(self.database.cachedStatement(sql: sql), arguments: arguments)
        }

        // MARK: Age

        /// What the file says of its age, and of the clock then.
        static func age(_ database: Database) throws -> (age: Int64, wall: Int64)? {
            guard let row = try Row.fetchOne(database, sql: "SELECT age, wall FROM clock"), let age = Self.integer(row[0]),
                let wall = Self.integer(row[1])
            else { return nil }
            return (age, wall)
        }

        /// The same. A file of an earlier version is as old as its last change, and what it holds is kept no longer from then on than what is
        /// learnt now: there, a clock that was ahead may have left anything.
        static func bringToAge(_ database: Database) throws -> (age: Int64, wall: Int64)? {
            if let known = try Self.age(database) { return known }
            guard let last = try DatabaseValue.fetchOne(database, sql: "SELECT max(touched) FROM peer").flatMap(Self.integer) else {
                return nil
            }
            let latest = last.addingReportingOverflow(Self.metPeerTimeToLive).partialValue
            try database.execute(sql: "UPDATE address SET expires = ?1 WHERE expires > ?1", arguments: [latest])
            return (last, last)
        }

        /// Writes it down.
        func keepAge() throws {
            try self.run("INSERT OR REPLACE INTO clock (id, age, wall) VALUES (1, ?, ?)", [self.moment.age, self.moment.wall])
        }

        // MARK: Changes

        /// Stores what has become known of a peer.
        func apply(_ change: PeerChange) throws {
            let additions = change.additions.compactMap { addition in
                Self.seconds(addition.timeToLive).map { (known: addition.known, expires: self.now + $0) }
            }
            let peer = change.peer.description
            guard change.isSeen || change.introduction != nil || !additions.isEmpty else {
                if let renewal = change.renewal.flatMap(Self.seconds) { try self.renew(peer, until: self.now + renewal) }
                return
            }
            try self.touch(peer, isSeen: change.isSeen)
            if let introduction = change.introduction { try self.remember(introduction, toldAt: change.origin, of: peer) }
            if let renewal = change.renewal.flatMap(Self.seconds) { try self.renew(peer, until: self.now + renewal) }
            guard !additions.isEmpty else { return }
            try self.run("DELETE FROM address WHERE peer = ? AND expires <= ?", [peer, self.now])
            for (known, expires) in additions { try self.insert(known, of: peer, expires: expires) }
            try self.trim(peer)
        }

        private static func seconds(_ timeToLive: Duration) -> Int64? {
            let seconds = min(timeToLive.components.seconds, Self.longestTimeToLive)
            return timeToLive > .zero && seconds > 0 ? seconds : nil
        }

        // MARK: Addresses

        private static let insertion = """
            INSERT INTO address (peer, address, source, expires, origin) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (peer, address) DO UPDATE SET
                expires = max(expires, excluded.expires),
                source = CASE WHEN \(rank("excluded.source")) < \(rank("source")) THEN excluded.source ELSE source END,
                origin = coalesce(excluded.origin, origin)
            """

        private func insert(_ known: KnownAddress, of peer: String, expires: Int64) throws {
            try self.run(
                Self.insertion, [peer, known.address.description, known.source.rawValue, expires, known.origin?.rawValue])
        }

        private static let trimming = """
            DELETE FROM address WHERE peer = ?1 AND address NOT IN (
                SELECT address FROM address WHERE peer = ?1 ORDER BY expires DESC, \(rank("source")) LIMIT ?2)
            """

        private func trim(_ peer: String) throws {
            let count = try self.integer("SELECT count(*) FROM address WHERE peer = ?", [peer]) ?? 0
            guard count > self.limits.addressesPerPeer else { return }
            try self.run(Self.trimming, [peer, self.limits.addressesPerPeer])
        }

        /// What the peer told of itself holds for longer, also what had expired meanwhile.
        private func renew(_ peer: String, until expires: Int64) throws {
            let statement = try self.database.cachedStatement(
                sql: "SELECT told, record IS NULL, origin FROM peer WHERE id = ? AND introduced = 1")
            guard let row = try Row.fetchOne(statement, arguments: [peer]) else { return }
            let told = Self.lines(row[0])
            guard !told.isEmpty else { return }
            try self.run(
                """
                UPDATE address SET expires = max(expires, ?1) WHERE peer = ?2 AND instr(
                    (SELECT char(10) || told || char(10) FROM peer WHERE id = ?2), char(10) || address || char(10)) > 0
                """, [expires, peer])
            guard self.database.changesCount < told.count else { return }
            let source = Self.integer(row[1]) == 1 ? AddressSource.identify : .certified
            let origin = String.fromDatabaseValue(row[2]).map { AddressOrigin(rawValue: $0) }
            for address in told.compactMap({ try? Multiaddr($0) }) {
                let isPublic = address.reach == .internet
                try self.insert(KnownAddress(address, source: source, origin: isPublic ? .internet : origin), of: peer, expires: expires)
            }
            try self.trim(peer)
        }

        private static let addressColumns = "address, source, expires, origin"

        func addresses(of peer: String) throws -> [StoredPeer.Address] {
            let statement = try self.database.cachedStatement(
                sql: "SELECT \(Self.addressColumns) FROM address WHERE peer = ? AND expires > ? ORDER BY address")
            return Self.ranked(try Row.fetchAll(statement, arguments: [peer, self.now]).compactMap { self.address($0, from: 0) })
        }

        func knownAddresses(of peer: String) throws -> [KnownAddress] {
            try self.addresses(of: peer).map { KnownAddress($0.address, source: $0.source, origin: $0.origin) }
        }

        /// - Parameter column: where ``addressColumns`` begin.
        private func address(_ row: Row, from column: Int) -> StoredPeer.Address? {
            guard let text = String.fromDatabaseValue(row[column]), let address = try? Multiaddr(text),
                let source = String.fromDatabaseValue(row[column + 1]).flatMap(AddressSource.init),
                let expires = Self.integer(row[column + 2])
            else { return nil }
            let origin = String.fromDatabaseValue(row[column + 3]).map { AddressOrigin(rawValue: $0) }
            let left = expires.subtractingReportingOverflow(self.moment.age).partialValue
            return StoredPeer.Address(
                address: address, source: source, origin: origin, expiresAt: self.moment.wall.addingReportingOverflow(left).partialValue)
        }

        /// The most reliable first; of those that are equal in that the order stays.
        private static func ranked(_ addresses: [StoredPeer.Address]) -> [StoredPeer.Address] {
            guard addresses.count > 1 else { return addresses }
            return addresses.enumerated()
                .sorted { ($0.element.source.reliability, $0.offset) < ($1.element.source.reliability, $1.offset) }
                .map(\.element)
        }

        /// SQL for the place of a source among the others, zero for the most reliable.
        private static func rank(_ column: String) -> String {
            let cases = AddressSource.allCases.map { "WHEN '\($0.rawValue)' THEN \($0.reliability)" }
            return "CASE \(column) \(cases.joined(separator: " ")) ELSE \(AddressSource.allCases.count) END"
        }

        // MARK: Peers

        /// By name: to ask a row for a column that a damaged table has lost would be a trap.
        private static let columns = "id, seen, introduced, key, agent, protocolVersion, protocols, told, record"
        /// How many those are.
        private static let columnCount = 9

        private func remember(_ introduction: Introduction, toldAt origin: AddressOrigin?, of peer: String) throws {
            let told = introduction.listenAddresses.prefix(self.limits.addressesPerPeer).map(\.withoutPeerID.description)
            let record = introduction.signedRecord.flatMap { $0.count <= PeerstoreLimits.recordSize ? Data($0) : nil }
            try self.run(
                """
                UPDATE peer SET introduced = 1, key = ?, agent = ?, protocolVersion = ?, protocols = ?, told = ?, record = ?, origin = ?
                    WHERE id = ?
                """,
                [
                    introduction.publicKey.map { Data($0.protobufEncoded) }, Self.clipped(introduction.agentVersion),
                    Self.clipped(introduction.protocolVersion),
                    introduction.protocols.prefix(self.limits.protocolsPerPeer).map(\.name).joined(separator: "\n"),
                    told.joined(separator: "\n"), record, origin?.rawValue, peer,
                ])
            // What it told in another network it may not tell here.
            let statement = try self.database.cachedStatement(
                sql: """
                    SELECT address FROM address WHERE peer = ?1 AND source IN ('identify', 'certified')
                        AND (?2 IS NULL OR origin IS NULL OR origin = ?2 OR origin = 'internet')
                    """)
            for address in try String.fetchAll(statement, arguments: [peer, origin?.rawValue]) where !told.contains(address) {
                try self.run("DELETE FROM address WHERE peer = ? AND address = ?", [peer, address])
            }
        }

        private static func clipped(_ version: String) -> String { String(version.prefix(PeerstoreLimits.versionLength)) }

        func introduction(of peer: PeerID) throws -> Introduction? {
            try Row.fetchOne(
                self.database, sql: "SELECT \(Self.columns) FROM peer WHERE id = ? AND introduced = 1", arguments: [peer.description]
            ).map { Self.introduction($0, of: peer) }
        }

        /// A key or record that is not the peer's own counts as none.
        ///
        /// - Parameter isVerified: otherwise the key and the addresses that it told are left out, and the record is what the file has.
        private static func introduction(_ row: Row, of peer: PeerID, isVerified: Bool = true) -> Introduction {
            let key = isVerified ? Data.fromDatabaseValue(row["key"]).flatMap { try? PublicKey(protobufEncoded: Array($0)) } : nil
            let record = Data.fromDatabaseValue(row["record"]).map { Array($0) }
            return Introduction(
                publicKey: key.flatMap { PeerID($0) == peer ? $0 : nil },
                listenAddresses: isVerified ? Self.lines(row["told"]).compactMap { try? Multiaddr($0) } : [],
                protocols: Self.lines(row["protocols"]).compactMap { ProtocolID(validating: $0) },
                protocolVersion: String.fromDatabaseValue(row["protocolVersion"]) ?? "",
                agentVersion: String.fromDatabaseValue(row["agent"]) ?? "",
                signedRecord: record.flatMap { !isVerified || (try? PeerRecord.open($0, from: peer)) != nil ? $0 : nil })
        }

        private static func lines(_ value: DatabaseValue) -> [String] {
            String.fromDatabaseValue(value)?.split(separator: "\n").map(String.init) ?? []
        }

        private static func integer(_ value: DatabaseValue) -> Int64? {
            guard case .int64(let integer) = value.storage else { return nil }
            return integer
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

        /// Of each peer as many rows as it has addresses, or one. Touches are told apart, so that the peers come as the index has them.
        private static let listing = """
            SELECT \(columns), address, source, expires, address.origin
            FROM peer LEFT JOIN address ON address.peer = peer.id AND expires > ?
            ORDER BY touched DESC, id, address
            """

        /// In one query, whatever the number of peers.
        func contents(isVerified: Bool) throws -> [StoredPeer] {
            var stored: [StoredPeer] = []
            var last: (id: String, row: Row, addresses: [StoredPeer.Address])?
            let rows = try Row.fetchCursor(self.database, sql: Self.listing, arguments: [self.now])
            while let row = try rows.next() {
                guard let id = String.fromDatabaseValue(row["id"]) else { continue }
                if last?.id != id {
                    if let last { stored += self.stored(last, isVerified: isVerified) }
                    last = (id, row.copy(), [])
                }
                if let address = self.address(row, from: Self.columnCount) { last?.addresses.append(address) }
            }
            if let last { stored += self.stored(last, isVerified: isVerified) }
            return stored
        }

        /// None for a name that is no peer's.
        private func stored(_ found: (id: String, row: Row, addresses: [StoredPeer.Address]), isVerified: Bool) -> [StoredPeer] {
            guard let peer = try? PeerID(string: found.id) else { return [] }
            let isIntroduced = Self.integer(found.row["introduced"]) == 1
            return [
                StoredPeer(
                    peer: peer, addresses: Self.ranked(found.addresses),
                    introduction: isIntroduced ? Self.introduction(found.row, of: peer, isVerified: isVerified) : nil,
                    lastSeen: Self.integer(found.row["seen"]))
            ]
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
            try self.touch(peer, isSeen: false)
            try self.database.execute(
                sql: "INSERT OR REPLACE INTO metadata (peer, name, value) VALUES (?, ?, ?)", arguments: [peer, name, Data(value)])
        }

        func metadata(named name: String, of peer: String) throws -> [UInt8]? {
            try Row.fetchOne(self.database, sql: "SELECT value FROM metadata WHERE peer = ? AND name = ?", arguments: [peer, name])
                .flatMap { Data.fromDatabaseValue($0["value"]) }.map { Array($0) }
        }

        // MARK: Room

        /// Makes sure that the peer has a row, and that there is room for it.
        private func touch(_ peer: String, isSeen: Bool) throws {
            // Seconds are too coarse for an order, so the last touch is outdone by one.
            let last = try self.totals.lastTouch ?? (self.integer("SELECT max(touched) FROM peer").map { Int64($0) } ?? 0)
            let touched = max(last &+ 1, self.now)
            self.totals.lastTouch = touched
            let seen = isSeen ? self.moment.wall : nil
            try self.run("UPDATE peer SET touched = ?, seen = coalesce(?, seen) WHERE id = ?", [touched, seen, peer])
            if self.database.changesCount == 0 {
                let count = try self.totals.peers ?? self.integer("SELECT count(*) FROM peer") ?? 0
                try self.run("INSERT INTO peer (id, touched, seen) VALUES (?, ?, ?)", [peer, touched, seen])
                self.totals.peers = count + 1
                if count + 1 > self.limits.peers { try self.evict(count + 1 - self.limits.peers, except: peer) }
            }
            while try self.isNearlyFull(), try self.evict(16, except: peer) {}
        }

        private func isNearlyFull() throws -> Bool {
            let limit = try self.totals.pageLimit ?? self.integer("PRAGMA max_page_count") ?? .max
            self.totals.pageLimit = limit
            let pages = try self.integer("PRAGMA page_count") ?? 0
            guard pages > limit / 100 * Self.fillLimit else { return false }
            let free = try self.integer("PRAGMA freelist_count") ?? 0
            return pages - free > limit / 100 * Self.fillLimit
        }

        /// - Returns: false when there was nobody left to make room.
        @discardableResult
        private func evict(_ count: Int, except peer: String) throws -> Bool {
            try self.run(
                "DELETE FROM peer WHERE id IN (SELECT id FROM peer WHERE id <> ? ORDER BY seen IS NOT NULL, touched LIMIT ?)",
                [peer, count])
            let gone = self.database.changesCount
            self.totals.peers = self.totals.peers.map { $0 - gone }
            return gone > 0
        }
    }
#endif
