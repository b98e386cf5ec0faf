#if SQLite
    import Foundation
    import GRDB
    import Logging
    import P2PCore
    import P2PIdentity
    import P2PKademlia
    import P2PMultiaddr
    import Testing

    @testable import P2PKademliaSQLite

    @Suite("What a hash table keeps in a file", .timeLimit(.minutes(1)))
    final class SQLiteKademliaTests {
        private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("dht-\(UUID())").path
        private var path: String { self.folder + "/dht.sqlite" }

        init() throws { try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: self.folder) }

        private func open(_ network: ProtocolID = "/a/kad/1.0.0") throws -> SQLiteKademlia {
            try SQLiteKademlia(path: self.path, network: network, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        private static func peer(_ number: UInt8) throws -> PeerID {
            try PeerID(bytes: [0x12, 0x20] + [UInt8](repeating: number, count: 32))
        }

        @Test("Keys are a set in the order of the key space, as those in memory are, and outlast the file's closing")
        func keys() async throws {
            let keys = (0..<1_000).map { Array("key \($0)".utf8) }
            let memory = MemoryKeystore()
            memory.add(keys)
            var store = try self.open()
            try await store.add(keys)
            try await store.add(Array(keys.prefix(10)))
            for removed in [keys[3], keys[3], Array("never".utf8)] {
                try await store.remove(removed)
                memory.remove(removed)
            }
            #expect(await store.count() == 999)
            try await store.add(Array(keys.prefix(4)))
            #expect(await store.count() == 1_000)
            try await store.remove(keys[3])
            #expect(await store.count() == 999)
            store.close()
            store = try self.open()
            #expect(await store.count() == 999)
            #expect(await store.contains(keys[4]))
            #expect(await !store.contains(keys[3]))
            for other in [store as any ProviderKeystore, memory] {
                var (all, last): ([[UInt8]], [UInt8]?) = ([], nil)
                while let end = try await other.keys(after: last, upTo: 300).last {
                    all += try await other.keys(after: last, upTo: 300)
                    last = end
                }
                #expect(all.count == 999 && Set(all) == Set(keys).subtracting([keys[3]]))
                let places = all.map { KademliaPoint(ofKey: $0).bytes }
                #expect(zip(places, places.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
                // Behind one that is gone it goes on all the same.
                let behind = try await other.keys(after: keys[3], upTo: 1).first
                let place = KademliaPoint(ofKey: keys[3]).bytes
                #expect(behind == all.first { place.lexicographicallyPrecedes(KademliaPoint(ofKey: $0).bytes) })
                #expect(try await other.keys(after: nil, upTo: -1).isEmpty)
            }
            #expect(await (try self.open("/b/kad/1.0.0")).count() == 0)
        }

        @Test("What was saved comes back, what changed is as it was last, and another network's is its own")
        func holdings() async throws {
            let (one, two) = try (Self.peer(1), Self.peer(2))
            let address = try Multiaddr("/ip4/10.0.0.1/tcp/1")
            let value = KademliaHoldings.Value(
                record: KademliaRecord(key: [1], value: [2, 3], timeReceived: "2026-11-29T00:00:00Z"), isOwn: true, end: 77)
            let other = KademliaHoldings.Value(record: KademliaRecord(key: [9], value: []), isOwn: false, end: .max)
            let provider = KademliaHoldings.Provider(key: [5], contact: KademliaContact(two, at: [address, address]), end: .max)
            var changes = KademliaChanges()
            #expect(changes.isEmpty)
            changes.members = [KademliaContact(two), KademliaContact(one, at: [address])]
            changes.values = [[1]: value, [9]: other]
            changes.providers = [[5]: [provider], [6]: [KademliaHoldings.Provider(key: [6], contact: KademliaContact(one), end: .max)]]
            changes.telling = KademliaHoldings.Telling(time: 123, addresses: [address])
            var store = try self.open()
            await store.save(changes)
            var later = KademliaChanges()
            later.values = [[9]: KademliaHoldings.Value?.none]
            later.providers = [[6]: []]
            await store.save(later)
            store.close()
            store = try self.open()
            let kept = await store.load()
            #expect(kept.members == changes.members)
            #expect(kept.values == [value])
            #expect(kept.providers == [provider])
            #expect(kept.telling == changes.telling)
            let elsewhere = await (try self.open("/b/kad/1.0.0")).load()
            #expect(elsewhere.members.isEmpty && elsewhere.values.isEmpty && elsewhere.providers.isEmpty && elsewhere.telling == nil)
            // Nothing is written, or read, after the end, and nobody traps.
            store.close()
            await store.save(changes)
            #expect(await store.load().members.isEmpty)
            await #expect(throws: KademliaError(.keystoreUnavailable, "")) { try await store.add([[1]]) }
        }

        @Test("What is over is deleted, but for own values; of damaged rows nobody traps, and the others come back")
        func rows() async throws {
            let (one, two) = try (Self.peer(1), Self.peer(2))
            func value(_ key: UInt8, isOwn: Bool = false, until end: Int64) -> KademliaHoldings.Value {
                KademliaHoldings.Value(record: KademliaRecord(key: [key], value: [key]), isOwn: isOwn, end: end)
            }
            func provider(_ key: UInt8, _ peer: PeerID, until end: Int64) -> KademliaHoldings.Provider {
                KademliaHoldings.Provider(key: [key], contact: KademliaContact(peer), end: end)
            }
            var changes = KademliaChanges()
            changes.members = [KademliaContact(one), KademliaContact(two)]
            for value in [
                value(1, isOwn: true, until: 77), value(2, until: 78), value(3, until: .max), value(4, until: .max), value(5, until: .max),
            ] {
                changes.values[value.record.key] = value
            }
            changes.providers = [
                [1]: [provider(1, one, until: 79), provider(1, two, until: .max)], [2]: [provider(2, one, until: .max)],
                [3]: [provider(3, one, until: .max)],
            ]
            changes.telling = KademliaHoldings.Telling(time: 123, addresses: [])
            let store = try self.open()
            try await store.add([[1], [2]])
            await store.save(changes)
            let count = "SELECT (SELECT count(*) FROM value) * 100 + (SELECT count(*) FROM provider)"
            try await store.file.write("/a/kad/1.0.0") { tables in
                #expect(try Int.fetchOne(tables.database, sql: count) == 504)
                try tables.database.execute(
                    sql: """
                        UPDATE value SET expires = 'soon' WHERE key = x'03'; UPDATE value SET own = 'mine' WHERE key = x'04';
                        UPDATE provider SET expires = 'soon' WHERE key = x'02'; UPDATE provider SET addresses = 5 WHERE key = x'03';
                        UPDATE member SET addresses = 1.5 WHERE number = 0; UPDATE telling SET time = 'now';
                        UPDATE provided SET key = 7 WHERE key = x'01';
                        """)
            }
            let kept = await store.load()
            #expect(kept.members.map(\.peer) == [two])
            #expect(kept.values == [value(1, isOwn: true, until: 77), value(5, until: .max)])
            #expect(kept.providers == [provider(1, two, until: .max)])
            #expect(kept.telling == nil)
            #expect(try await store.keys(after: nil, upTo: 10) == [[2]])
            // Three values, of which one is damaged elsewhere than in its time, and two providers.
            let left = try await store.file.read("/a/kad/1.0.0") { try Int.fetchOne($0.database, sql: count) }
            #expect(left == 302)
        }

        @Test("A file whose last page is cut short is refused and stays as it is, as any shorter one")
        func truncated() async throws {
            let store = try self.open()
            try await store.add((0..<100).map { Array("key \($0)".utf8) })
            store.close()
            let whole = try Data(contentsOf: URL(fileURLWithPath: self.path))
            for size in [whole.count - 1, whole.count - 1_500, whole.count / 2 + 1, 2] {
                let cut = whole.prefix(size)
                // In place: a new file would be readable by others.
                let file = try FileHandle(forWritingTo: URL(fileURLWithPath: self.path))
                try file.truncate(atOffset: 0)
                try file.write(contentsOf: cut)
                try file.close()
                #expect(throws: PeerstoreError(.damaged, ""), "cut to \(size) of \(whole.count) bytes") { try self.open() }
                #expect(try Data(contentsOf: URL(fileURLWithPath: self.path)) == cut)
            }
        }

        @Test("A file that is none, or that others may read, is refused and stays as it is")
        func hostile() throws {
            try Data("no database, but long enough to look like a file".utf8).write(to: URL(fileURLWithPath: self.path))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: self.path)
            #expect(throws: PeerstoreError(.damaged, "")) { _ = try self.open() }
            #expect(try Data(contentsOf: URL(fileURLWithPath: self.path)).first == UInt8(ascii: "n"))
            try FileManager.default.removeItem(atPath: self.path)
            _ = try self.open()
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: self.path)
            #expect(throws: PeerstoreError(.exposed, "")) { _ = try self.open() }
        }
    }
#endif
