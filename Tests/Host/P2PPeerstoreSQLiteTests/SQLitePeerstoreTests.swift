#if SQLite
    import Foundation
    import GRDB
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PTesting
    import Testing

    @testable import P2PPeerstoreSQLite

    @Suite("The lasting peerstore", .timeLimit(.minutes(1)))
    struct SQLitePeerstoreTests {
        private let room: Room

        init() throws { self.room = try Room() }

        @Test("It keeps the contract of a peerstore", arguments: PeerstoreConformance.Case.allCases)
        func contract(_ conformanceCase: PeerstoreConformance.Case) async throws {
            try await PeerstoreConformance {
                PeerstoreConformance.Subject(store: try self.room.open()) { self.room.advance($0) }
            }.run(conformanceCase)
        }

        @Test("What was stored is there after the file was opened again")
        func lasting() async throws {
            let key = try PrivateKey.generate(.ed25519)
            let peer = PeerID(key.publicKey)
            let record = try await PeerRecord(peer: peer, sequence: 7, addresses: [Room.address(1).bytes]).sealed(with: key)
            let introduction = Introduction(
                publicKey: key.publicKey, listenAddresses: [Room.address(1)], protocols: ["/a/1", "/b/1"], protocolVersion: "v",
                agentVersion: "agent 1", signedRecord: try record.protobufEncoded())
            var store = try self.room.open()
            await store.add([Room.address(1)], of: peer, source: .certified, timeToLive: .seconds(60))
            await store.add([Room.address(2)], of: peer, source: .connected, timeToLive: .seconds(90))
            await store.remember(introduction, of: peer)
            await store.saw(peer)
            try await store.setMetadata([7, 8], named: "note", of: peer)
            store.close()
            store = try self.room.open()
            #expect(await store.peers() == [peer])
            #expect(await store.addresses(of: peer) == [Room.address(2), Room.address(1)])
            #expect(await store.introduction(of: peer) == introduction)
            #expect(await store.lastSeen(of: peer) == Room.start)
            #expect(await store.metadata(named: "note", of: peer) == [7, 8])
            let stored = try #require(try await store.contents().first)
            #expect(stored.peer == peer)
            #expect(stored.introduction == introduction)
            #expect(stored.lastSeen == Room.start)
            #expect(stored.addresses.map(\.source) == [.connected, .certified])
            #expect(stored.addresses.map(\.expiresAt) == [Room.start + 90, Room.start + 60])
        }

        @Test("Another process may look while it is open, and changes nothing")
        func readOnly() async throws {
            #expect(throws: PeerstoreError(.unavailable, "")) { try self.room.open(isReadOnly: true) }
            #expect(!FileManager.default.fileExists(atPath: self.room.path))
            let store = try self.room.open()
            let peer = try Room.peer()
            await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
            let other = try self.room.open(isReadOnly: true)
            #expect(await other.peers() == [peer])
            await other.forget(peer)
            await #expect(throws: PeerstoreError(.unavailable, "")) { try await other.setMetadata([1], named: "", of: peer) }
            #expect(await other.peers() == [peer])
            await store.add([Room.address(2)], of: peer, source: .given, timeToLive: .seconds(60))
            #expect(await other.addresses(of: peer).count == 2)
            store.close()
            #expect(await other.addresses(of: peer).count == 2)
        }

        @Test("Peers stop at their limit; those that were never connected make room first, then those touched longest ago")
        func peerLimit() async throws {
            let store = try self.room.open(PeerstoreLimits(peers: 4))
            let met = try (0..<2).map { _ in try Room.peer() }
            for peer in met {
                await store.add([Room.address(1)], of: peer, source: .connected, timeToLive: .seconds(60))
                await store.saw(peer)
            }
            let strangers = try (0..<20).map { _ in try Room.peer() }
            for peer in strangers { await store.add([Room.address(1)], of: peer, source: .discovery, timeToLive: .seconds(60)) }
            #expect(await store.peers() == strangers.suffix(2).reversed() + met.reversed())
            let friends = try (0..<3).map { _ in try Room.peer() }
            for peer in friends {
                await store.add([Room.address(1)], of: peer, source: .connected, timeToLive: .seconds(60))
                await store.saw(peer)
            }
            #expect(await store.peers() == friends.reversed() + [met[1]])
        }

        @Test("What one peer says is cut to the limits")
        func limitsOfAPeer() async throws {
            let store = try self.room.open(PeerstoreLimits(addressesPerPeer: 2, protocolsPerPeer: 3))
            let peer = try Room.peer()
            for port in UInt16(1)...5 {
                await store.add([Room.address(port)], of: peer, source: .discovery, timeToLive: .seconds(60 + Int(port)))
            }
            #expect(Set(await store.addresses(of: peer)) == [Room.address(4), Room.address(5)])
            await store.remember(
                Introduction(
                    listenAddresses: (1...5).map { Room.address($0) }, protocols: (1...5).map { ProtocolID("/\($0)") },
                    protocolVersion: String(repeating: "v", count: 10_000), agentVersion: String(repeating: "a", count: 10_000),
                    signedRecord: [UInt8](repeating: 0, count: 10_000)), of: peer)
            let kept = try #require(await store.introduction(of: peer))
            #expect(kept.listenAddresses == [Room.address(1), Room.address(2)])
            #expect(kept.protocols == ["/1", "/2", "/3"])
            #expect(kept.agentVersion.count == 256 && kept.protocolVersion.count == 256)
            #expect(kept.signedRecord == nil)
        }

        @Test("A file that grows near its limit loses the peers of least worth, and stays below it")
        func fileLimit() async throws {
            let limits = PeerstoreLimits(peers: 100_000, fileSize: 1_024 * 1_024)
            let store = try self.room.open(limits)
            let friend = try Room.peer()
            await store.saw(friend)
            try await store.setMetadata([1], named: "friend", of: friend)
            var last = friend
            for _ in 0..<600 {
                last = try Room.peer()
                try await store.setMetadata([UInt8](repeating: 1, count: 4_000), named: "big", of: last)
            }
            #expect(await store.metadata(named: "friend", of: friend) == [1])
            #expect(await store.metadata(named: "big", of: last)?.count == 4_000)
            let count = try await store.contents().count
            #expect((50..<300).contains(count), "\(count) peers are left")
            store.close()
            #expect(try self.room.bytes().count <= limits.fileSize)
        }

        @Test("A peer that fills the file alone gets no more, loses nothing, and may go on when there is room again")
        func fullOfOne() async throws {
            let store = try self.room.open(PeerstoreLimits(metadataPerPeer: 1_000, metadataSize: 300_000, fileSize: 1_024 * 1_024))
            let peer = try Room.peer()
            await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
            var stored = 0
            await #expect(throws: PeerstoreError(.unavailable, "")) {
                for number in 0..<20 {
                    try await store.setMetadata([UInt8](repeating: 1, count: 200_000), named: "\(number)", of: peer)
                    stored += 1
                }
            }
            #expect((1...5).contains(stored))
            #expect(await store.addresses(of: peer) == [Room.address(1)])
            #expect(await store.metadata(named: "0", of: peer)?.count == 200_000)
            for number in 0..<stored { try await store.setMetadata(nil, named: "\(number)", of: peer) }
            await store.add([Room.address(2)], of: peer, source: .given, timeToLive: .seconds(60))
            #expect(await store.addresses(of: peer) == [Room.address(1), Room.address(2)])
        }

        @Test("A file of the first version gets what is new, and keeps what it had")
        func migration() async throws {
            let (peer, other) = (try Room.peer(), try Room.peer())
            let queue = try DatabaseQueue(path: self.room.path)
            try PeerstoreSchema.migrator.migrate(queue, upTo: PeerstoreSchema.first)
            try await queue.write { database in
                try database.execute(
                    sql: "INSERT INTO peer (id, seen, introduced, agent) VALUES (?, 5, 1, 'old'), (?, NULL, 0, '')",
                    arguments: [peer.description, other.description])
                for id in [peer, other] {
                    try database.execute(
                        sql: "INSERT INTO address VALUES (?, '/ip4/127.0.0.1/tcp/1', 'given', ?)",
                        arguments: [id.description, Room.start + 10])
                }
            }
            try queue.close()
            try self.room.setMode(0o600)
            #expect(throws: PeerstoreError(.unavailable, "")) { try self.room.open(isReadOnly: true) }
            let store = try self.room.open()
            #expect(await store.peers() == [peer, other])
            #expect(await store.addresses(of: peer) == [Room.address(1)])
            #expect(await store.introduction(of: peer)?.agentVersion == "old")
            #expect(await store.lastSeen(of: peer) == 5)
            try await store.setMetadata([1], named: "new", of: peer)
            #expect(await store.metadata(named: "new", of: peer) == [1])
        }
    }
#endif
