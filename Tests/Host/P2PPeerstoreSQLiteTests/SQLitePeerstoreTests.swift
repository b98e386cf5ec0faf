#if SQLite
    import Foundation
    import GRDB
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PSwarm
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

        @Test("Where an address holds is kept, and what is told no more in one network stays in the others", arguments: [true, false])
        func origins(inFile: Bool) async throws {
            let store: any Peerstore = inFile ? try self.room.open() : MemoryPeerstore()
            let peer = try Room.peer()
            let (home, work) = (AddressOrigin(rawValue: "192.168.1.0/24"), AddressOrigin(rawValue: "10.0.0.0/8"))
            func tell(_ addresses: [(Multiaddr, AddressOrigin)], at origin: AddressOrigin) async {
                var change = PeerChange(of: peer)
                change.introduction = Introduction(listenAddresses: addresses.map(\.0))
                change.origin = origin
                for (address, origin) in addresses {
                    change.add(KnownAddress(address, source: .identify, origin: origin), timeToLive: .seconds(60))
                }
                await store.apply([change])
            }
            func known() async -> Set<String> {
                Set(await store.knownAddresses(of: peer).map { "\($0.address) \($0.source.rawValue) \($0.origin?.rawValue ?? "-")" })
            }
            await tell([("/ip4/192.168.1.9/tcp/1", home), ("/ip4/1.2.3.4/tcp/1", .internet)], at: home)
            await store.add(["/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2"], of: peer, source: .connected, timeToLive: .seconds(60))
            let before: Set<String> = [
                "/ip4/192.168.1.9/tcp/1 identify 192.168.1.0/24", "/ip4/1.2.3.4/tcp/1 connected internet", "/ip4/1.2.3.4/tcp/2 connected -",
            ]
            #expect(await known() == before)
            await tell([("/ip4/10.0.0.9/tcp/1", work)], at: work)
            #expect(await known() == before.union(["/ip4/10.0.0.9/tcp/1 identify 10.0.0.0/8"]))
            await tell([], at: work)
            #expect(await known() == before)
            await tell([], at: home)
            #expect(await known() == before.subtracting(["/ip4/192.168.1.9/tcp/1 identify 192.168.1.0/24"]))
        }

        @Test("A file of the version before loses the loopback addresses that were merely told, and keeps everything else")
        func olderFile() async throws {
            let peer = try Room.peer()
            let rows = [
                ("/ip4/127.0.0.1/tcp/1", "certified", false), ("/ip4/127.0.0.1/tcp/2", "identify", false),
                ("/ip6/::1/tcp/3", "discovery", false),
                ("/ip4/127.0.0.1/tcp/4", "connected", true), ("/ip4/127.0.0.1/tcp/5", "given", true),
                ("/ip4/0.0.0.0/tcp/6", "identify", false),
                ("/ip4/10.0.0.1/tcp/7", "certified", true), ("/ip4/1.2.3.4/tcp/8", "identify", true), ("/unix/run/x", "identify", false),
                ("/ip6zone/eth0/ip6/fe80::1/tcp/9", "identify", false), ("/dns4/localhost/tcp/1", "identify", false),
            ]
            let queue = try DatabaseQueue(path: self.room.path)
            try self.room.setMode(0o600)
            try PeerstoreSchema.migrator.migrate(queue, upTo: PeerstoreSchema.second)
            try await queue.write { database in
                try database.execute(sql: "INSERT INTO peer (id, touched) VALUES (?, 1)", arguments: [peer.description])
                for (address, source, _) in rows {
                    try database.execute(
                        sql: "INSERT INTO address VALUES (?, ?, ?, ?)", arguments: [peer.description, address, source, Room.start + 60])
                }
            }
            try queue.close()
            let store = try self.room.open()
            #expect(Set(await store.addresses(of: peer).map(\.description)) == Set(rows.filter(\.2).map(\.0)))
            #expect(await store.knownAddresses(of: peer).allSatisfy { $0.origin == nil })
            #expect(await store.peers() == [peer])
        }

        @Test("Peers of one batch are stored as those of many, with the limits of the file, and one that finds no room costs no other")
        func batches() async throws {
            let store = try self.room.open(PeerstoreLimits(peers: 100))
            let peers = try (0..<300).map { _ in try Room.peer() }
            await store.apply(
                peers.enumerated().map { number, peer in
                    var change = PeerChange(of: peer)
                    change.isSeen = number < 20
                    change.add(KnownAddress(Room.address(1), source: .discovery), timeToLive: .seconds(60))
                    return change
                })
            #expect(await store.peers() == peers.suffix(80).reversed() + peers.prefix(20).reversed())
            store.close()
            let small = try self.room.open(PeerstoreLimits(protocolsPerPeer: 300, fileSize: 1_024 * 1_024))
            let (first, last) = (try Room.peer(), try Room.peer())
            let long = String(repeating: "x", count: 100)
            var changes = [first, last].map { peer in
                var change = PeerChange(of: peer)
                change.isSeen = true
                return change
            }
            for number in 0..<200 {
                var change = PeerChange(of: try Room.peer())
                change.introduction = Introduction(protocols: (0..<200).map { ProtocolID("/\(number)/\($0)/\(long)") })
                changes.insert(change, at: 1)
            }
            await small.apply(changes)
            #expect(await small.lastSeen(of: first) != nil)
            #expect(await small.lastSeen(of: last) != nil)
        }

        private static let years = Duration.seconds(20 * 365 * 24 * 3_600)
        private static let day = Duration.seconds(24 * 3_600)

        private func met(_ store: SQLitePeerstore, _ peer: PeerID) async {
            await store.add([Room.address(1)], of: peer, source: .connected, timeToLive: store.metPeerTimeToLive)
            await store.saw(peer)
        }

        @Test(
            "A clock that is set while the file is open changes nothing about what expires",
            arguments: [SQLitePeerstoreTests.years, .zero - SQLitePeerstoreTests.years, SQLitePeerstoreTests.day])
        func setClock(ahead error: Duration) async throws {
            let store = try self.room.open()
            let (before, after) = (try Room.peer(), try Room.peer())
            await self.met(store, before)
            self.room.setClock(ahead: error)
            #expect(await store.peers() == [before])
            await self.met(store, after)
            self.room.advance(Self.day * 29)
            #expect(Set(await store.peers()) == [before, after])
            self.room.setClock(ahead: .zero)
            #expect(Set(await store.peers()) == [before, after])
            self.room.advance(Self.day * 2)
            #expect(await store.peers().isEmpty)
        }

        @Test(
            "Starts with a clock that is years off lose nobody and keep nobody for ever",
            arguments: [SQLitePeerstoreTests.years, .zero - SQLitePeerstoreTests.years])
        func wrongAtStart(ahead error: Duration) async throws {
            let peer = try Room.peer()
            var store = try self.room.open()
            await self.met(store, peer)
            for isWrong in [true, false, true, false] {
                store.close()
                self.room.setClock(ahead: isWrong ? error : .zero)
                store = try self.room.open()
                #expect(await store.peers() == [peer])
                // Something is written, and with it what the clock says.
                await store.saw(try Room.peer())
                self.room.advance(.seconds(3_600))
            }
            self.room.advance(Self.day * 31)
            #expect(await store.peers().isEmpty)
        }

        @Test("A machine that starts in 1970 and learns the time later forgets nobody")
        func withoutABattery() async throws {
            let peer = try Room.peer()
            for start in 0..<10 {
                self.room.setClock(ahead: .seconds(-Room.start))
                let store = try self.room.open()
                if start == 0 { await self.met(store, peer) }
                await store.saw(try Room.peer())
                #expect(await store.peers() == [peer])
                self.room.setClock(ahead: .zero)
                self.room.advance(.seconds(600))
                await store.saw(try Room.peer())
                #expect(await store.peers() == [peer])
                store.close()
            }
        }

        @Test("The time between two runs counts, for a week at most")
        func apart() async throws {
            let (soon, late) = (try Room.peer(), try Room.peer())
            var store = try self.room.open()
            await store.add([Room.address(1)], of: soon, source: .discovery, timeToLive: .seconds(60))
            await self.met(store, late)
            store.close()
            self.room.advance(.seconds(61))
            store = try self.room.open()
            #expect(await store.peers() == [late])
            await store.saw(late)
            store.close()
            self.room.advance(Self.day * 300)
            store = try self.room.open()
            #expect(await store.peers() == [late])
            let expiry = try #require(try await store.contents().first { $0.peer == late }?.addresses.first?.expiresAt)
            // People are told by their own clock.
            #expect((22...23).contains((expiry - self.room.now) / (24 * 3_600)))
        }

        @Test("A file of an earlier version is as old as its last change, and a clock that was ahead then keeps nobody for ever")
        func agelessFile() async throws {
            let peer = try Room.peer()
            let queue = try DatabaseQueue(path: self.room.path)
            try self.room.setMode(0o600)
            try PeerstoreSchema.migrator.migrate(queue, upTo: PeerstoreSchema.second)
            try await queue.write { database in
                try database.execute(
                    sql: "INSERT INTO peer (id, touched, seen) VALUES (?1, ?2, ?2)", arguments: [peer.description, Room.start - 1_000])
                try database.execute(
                    sql: "INSERT INTO address VALUES (?, '/ip4/1.2.3.4/tcp/1', 'connected', ?)",
                    arguments: [peer.description, Room.start * 2])
            }
            try queue.close()
            self.room.setClock(ahead: Self.years)
            let store = try self.room.open()
            #expect(await store.peers() == [peer])
            self.room.advance(Self.day * 31)
            #expect(await store.peers().isEmpty)
        }

        /// To measure, by hand: `P2P_MEASURE=FILE`, which is left there.
        @Test("Thousands of peers a second", .enabled(if: ProcessInfo.processInfo.environment["P2P_MEASURE"] != nil))
        func speed() async throws {
            let keys = try (0..<10_000).map { _ in try PrivateKey.generate(.ed25519) }
            var introductions: [Introduction] = []
            for key in keys {
                let addresses = (1...4).map { Multiaddr(ip: IPAddress(v4: 0x0102_0304), tcp: UInt16($0)) }
                let record = try await PeerRecord(peer: PeerID(key.publicKey), sequence: 7, addresses: addresses.map(\.bytes)).sealed(
                    with: key)
                introductions.append(
                    Introduction(
                        publicKey: key.publicKey, listenAddresses: addresses,
                        protocols: (0..<12).map { ProtocolID("/protocol/\($0)/1.0.0") },
                        protocolVersion: "ipfs/0.1.0", agentVersion: "agent/1", signedRecord: try record.protobufEncoded()))
            }
            let store = try self.room.open()
            func measure(_ what: String, _ count: Int, _ body: () async throws -> Void) async rethrows {
                let (start, cpu) = (ContinuousClock.now, clock())
                try await body()
                let seconds = (ContinuousClock.now - start) / .seconds(1)
                let busy = Double(clock() - cpu) / Double(CLOCKS_PER_SEC)
                print("\(what): \(Int(Double(count) / seconds)) a second, \(busy / Double(count) * 1_000) ms of CPU each, \(seconds) s")
            }
            await measure("one by one", 500) {
                for (key, introduction) in zip(keys, introductions).prefix(500) {
                    let peer = PeerID(key.publicKey)
                    await store.saw(peer)
                    await store.add(introduction.listenAddresses, of: peer, source: .connected, timeToLive: .seconds(600))
                    await store.saw(peer)
                    await store.remember(introduction, of: peer)
                    await store.add(introduction.listenAddresses, of: peer, source: .certified, timeToLive: .seconds(600))
                }
            }
            await measure("in batches", keys.count) {
                for start in stride(from: 0, to: keys.count, by: 256) {
                    await store.apply(
                        zip(keys, introductions).dropFirst(start).prefix(256).map { key, introduction in
                            var change = PeerChange(of: PeerID(key.publicKey))
                            change.isSeen = true
                            change.introduction = introduction
                            change.origin = .internet
                            for address in introduction.listenAddresses {
                                change.add(KnownAddress(address, source: .certified, origin: .internet), timeToLive: .seconds(600))
                            }
                            return change
                        })
                }
            }
            for isVerified in [true, false] {
                try await measure("contents, \(isVerified)", keys.count) {
                    let count = try await store.contents(isVerified: isVerified).count
                    #expect(count == keys.count)
                }
            }
            store.close()
            try self.room.bytes().write(to: URL(fileURLWithPath: ProcessInfo.processInfo.environment["P2P_MEASURE"] ?? ""))
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
