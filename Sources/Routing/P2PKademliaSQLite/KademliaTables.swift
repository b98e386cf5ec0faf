#if SQLite
    import GRDB
    import P2PCore
    import P2PIdentity
    import P2PKademlia
    import P2PMultiaddr

    #if canImport(FoundationEssentials)
        import FoundationEssentials
    #else
        import Foundation
    #endif

    /// What one transaction does.
    struct KademliaTables {
        let database: Database
        let network: String

        // MARK: Keys

        /// - Returns: how many of them are new.
        func provide(_ keys: [[UInt8]]) throws -> Int {
            var count = 0
            for key in keys {
                try self.database.execute(
                    sql: "INSERT OR IGNORE INTO provided (network, place, key) VALUES (?, ?, ?)",
                    arguments: [self.network, Self.place(of: key), Data(key)])
                count += self.database.changesCount
            }
            return count
        }

        /// - Returns: how many there were.
        func stopProviding(_ key: [UInt8]) throws -> Int {
            try self.database.execute(
                sql: "DELETE FROM provided WHERE network = ? AND place = ?", arguments: [self.network, Self.place(of: key)])
            return self.database.changesCount
        }

        func provides(_ key: [UInt8]) throws -> Bool {
            try Int.fetchOne(
                self.database, sql: "SELECT 1 FROM provided WHERE network = ? AND place = ?",
                arguments: [self.network, Self.place(of: key)]) != nil
        }

        func providedCount() throws -> Int {
            try Int.fetchOne(self.database, sql: "SELECT count(*) FROM provided WHERE network = ?", arguments: [self.network]) ?? 0
        }

        func provided(after key: [UInt8]?, upTo limit: Int) throws -> [[UInt8]] {
            let place = key.map(Self.place) ?? Data()
            return try DatabaseValue.fetchAll(
                self.database, sql: "SELECT key FROM provided WHERE network = ? AND place > ? ORDER BY place LIMIT ?",
                arguments: [self.network, place, max(0, limit)]
            ).compactMap { Data.fromDatabaseValue($0).map { Array($0) } }
        }

        private static func place(of key: [UInt8]) -> Data { Data(KademliaPoint(ofKey: key).bytes) }

        // MARK: The table

        /// What is kept, the longest-lived first, as much as a table holds. What is over goes first, but for this node's own values; a row that is damaged is left out.
        ///
        /// - Parameter now: in seconds since 1970.
        func holdings(at now: Int64) throws -> KademliaHoldings {
            try self.deleteWhatIsOver(at: now)
            var holdings = KademliaHoldings()
            let network: StatementArguments = [self.network]
            for row in try Row.fetchAll(
                self.database, sql: "SELECT peer, addresses FROM member WHERE network = ? ORDER BY number LIMIT ?",
                arguments: network + [KademliaLimits.remembered])
            {
                guard let contact = Self.contact(in: row) else { continue }
                holdings.members.append(contact)
            }
            for row in try Row.fetchAll(
                self.database,
                sql: """
                    SELECT key, value, received, own, expires FROM value WHERE network = ? ORDER BY own DESC, expires DESC LIMIT ?
                    """, arguments: network + [KademliaLimits.values])
            {
                guard let key = Data.fromDatabaseValue(row["key"]), let value = Data.fromDatabaseValue(row["value"]),
                    let isOwn = Bool.fromDatabaseValue(row["own"]), let end = Int64.fromDatabaseValue(row["expires"])
                else { continue }
                let record = KademliaRecord(
                    key: Array(key), value: Array(value), timeReceived: String.fromDatabaseValue(row["received"]))
                holdings.values.append(KademliaHoldings.Value(record: record, isOwn: isOwn, end: end))
            }
            for row in try Row.fetchAll(
                self.database, sql: "SELECT key, peer, addresses, expires FROM provider WHERE network = ? ORDER BY expires DESC LIMIT ?",
                arguments: network + [KademliaLimits.providers])
            {
                guard let key = Data.fromDatabaseValue(row["key"]), let contact = Self.contact(in: row),
                    let end = Int64.fromDatabaseValue(row["expires"])
                else { continue }
                holdings.providers.append(KademliaHoldings.Provider(key: Array(key), contact: contact, end: end))
            }
            if let row = try Row.fetchOne(self.database, sql: "SELECT time, addresses FROM telling WHERE network = ?", arguments: network),
                let time = Int64.fromDatabaseValue(row["time"]), let addresses = Data.fromDatabaseValue(row["addresses"])
            {
                holdings.telling = KademliaHoldings.Telling(time: time, addresses: Self.addresses(addresses))
            }
            return holdings
        }

        private func deleteWhatIsOver(at now: Int64) throws {
            // A time that is no number would come before all others.
            try self.database.execute(
                sql: "DELETE FROM provider WHERE network = ? AND (expires <= ? OR typeof(expires) <> 'integer')",
                arguments: [self.network, now])
            try self.database.execute(
                sql: "DELETE FROM value WHERE network = ? AND ((own = 0 AND expires <= ?) OR typeof(expires) <> 'integer')",
                arguments: [self.network, now])
        }

        func apply(_ changes: KademliaChanges) throws {
            if let members = changes.members {
                try self.database.execute(sql: "DELETE FROM member WHERE network = ?", arguments: [self.network])
                for (number, member) in members.enumerated() {
                    try self.database.execute(
                        sql: "INSERT OR REPLACE INTO member (network, peer, number, addresses) VALUES (?, ?, ?, ?)",
                        arguments: [self.network, Data(member.peer.bytes), number, Self.packed(member.addresses)])
                }
            }
            for (key, value) in changes.values {
                try self.database.execute(sql: "DELETE FROM value WHERE network = ? AND key = ?", arguments: [self.network, Data(key)])
                guard let value else { continue }
                try self.database.execute(
                    sql: "INSERT INTO value (network, key, value, received, own, expires) VALUES (?, ?, ?, ?, ?, ?)",
                    arguments: [
                        self.network, Data(key), Data(value.record.value), value.record.timeReceived, value.isOwn, value.end,
                    ])
            }
            for (key, providers) in changes.providers {
                try self.database.execute(sql: "DELETE FROM provider WHERE network = ? AND key = ?", arguments: [self.network, Data(key)])
                for provider in providers {
                    try self.database.execute(
                        sql: "INSERT OR REPLACE INTO provider (network, key, peer, addresses, expires) VALUES (?, ?, ?, ?, ?)",
                        arguments: [
                            self.network, Data(key), Data(provider.contact.peer.bytes), Self.packed(provider.contact.addresses),
                            provider.end,
                        ])
                }
            }
            if let telling = changes.telling {
                try self.database.execute(
                    sql: "INSERT OR REPLACE INTO telling (network, time, addresses) VALUES (?, ?, ?)",
                    arguments: [self.network, telling.time, Self.packed(telling.addresses)])
            }
        }

        // MARK: Addresses

        /// Each behind its length of two bytes: an address has 4,096 at most.
        private static func packed(_ addresses: [Multiaddr]) -> Data {
            var data = Data()
            for address in addresses {
                data.append(UInt8(truncatingIfNeeded: address.bytes.count >> 8))
                data.append(UInt8(truncatingIfNeeded: address.bytes.count))
                data.append(contentsOf: address.bytes)
            }
            return data
        }

        /// Those that can be read.
        private static func addresses(_ data: Data) -> [Multiaddr] {
            var addresses: [Multiaddr] = []
            var rest = Array(data)[...]
            while let high = rest.popFirst(), let low = rest.popFirst() {
                let length = Int(high) << 8 | Int(low)
                if let address = try? Multiaddr(bytes: rest.prefix(length)) { addresses.append(address) }
                rest = rest.dropFirst(length)
            }
            return addresses
        }

        private static func contact(in row: Row) -> KademliaContact? {
            guard let bytes = Data.fromDatabaseValue(row["peer"]), let addresses = Data.fromDatabaseValue(row["addresses"]),
                let peer = try? PeerID(bytes: bytes)
            else { return nil }
            return KademliaContact(peer, at: Self.addresses(addresses))
        }
    }
#endif
