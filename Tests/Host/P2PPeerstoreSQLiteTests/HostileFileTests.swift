#if SQLite
    import Foundation
    import GRDB
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import P2PTesting
    import Testing

    @testable import P2PPeerstoreSQLite

    @Suite("The lasting peerstore and files that are not what they should be", .timeLimit(.minutes(2)))
    struct HostileFileTests {
        private let room: Room

        init() throws { self.room = try Room() }

        /// A store of some size.
        private func fill(peers: Int = 40) async throws {
            let store = try self.room.open()
            for number in 0..<peers {
                let key = try PrivateKey.generate(.ed25519).publicKey
                await store.add([Room.address(UInt16(number + 1))], of: PeerID(key), source: .given, timeToLive: .seconds(60))
                await store.remember(Introduction(publicKey: key, protocols: ["/a/1"], agentVersion: "agent"), of: PeerID(key))
                try await store.setMetadata([UInt8](repeating: 1, count: 500), named: "note", of: PeerID(key))
            }
            store.close()
        }

        @Test("Only its owner may read the file and the log beside it")
        func permissions() async throws {
            let store = try self.room.open()
            await store.add([Room.address(1)], of: try Room.peer(), source: .given, timeToLive: .seconds(60))
            for suffix in ["", "-wal", "-shm"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: self.room.path + suffix)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
        }

        @Test("A file that others may read or write is refused", arguments: [0o644, 0o640, 0o602, 0o610])
        func exposed(mode: Int) async throws {
            try await self.fill(peers: 1)
            try self.room.setMode(mode)
            #expect(throws: PeerstoreError(.exposed, "")) { try self.room.open() }
            #expect(throws: PeerstoreError(.exposed, "")) { try self.room.open(isReadOnly: true) }
            try self.room.setMode(0o600)
            #expect(await (try self.room.open()).peers().count == 1)
        }

        @Test("What is no database is refused and stays as it is")
        func garbage() throws {
            for garbage in [Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0) }), Data([0, 0]), Data("SQLite format 3\u{0}".utf8)] {
                try self.room.write(garbage)
                #expect(throws: PeerstoreError(.damaged, "")) { try self.room.open() }
                #expect(try self.room.bytes() == garbage)
            }
        }

        @Test("A directory, a link, a pipe and a place that is not there are refused")
        func noFile() throws {
            let folder = self.room.folder
            try FileManager.default.createDirectory(atPath: folder + "/directory", withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: folder + "/elsewhere")
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            for name in ["directory", "link", "pipe", "nowhere/peers.sqlite", "zero\u{0}byte"] {
                #expect(throws: PeerstoreError(.unavailable, "")) { try SQLitePeerstore(path: folder + "/" + name) }
            }
            #expect(!FileManager.default.fileExists(atPath: folder + "/elsewhere"))
        }

        #if os(Linux)
            /// The locks that this process holds on the file, as the system lists them.
            private func locks() throws -> [Substring] {
                let inode = try FileManager.default.attributesOfItem(atPath: self.room.path)[.systemFileNumber] as? UInt64
                let suffix = ":\(try #require(inode))"
                return try String(contentsOfFile: "/proc/locks", encoding: .utf8).split(separator: "\n").filter { line in
                    let fields = line.split(separator: " ")
                    return fields.count > 5 && fields[4] == "\(getpid())" && fields[5].hasSuffix(suffix)
                }
            }

            @Test("To open a file a second time leaves the locks of the first, whether it succeeds or not")
            func secondOpening() async throws {
                let first = try self.room.open()
                await first.add([Room.address(1)], of: try Room.peer(), source: .given, timeToLive: .seconds(60))
                let locks = try self.locks()
                #expect(!locks.isEmpty)
                for isReadOnly in [true, false] {
                    try self.room.setMode(0o640)
                    #expect(throws: PeerstoreError(.exposed, "")) { try self.room.open(isReadOnly: isReadOnly) }
                    try self.room.setMode(0o600)
                    #expect(try self.locks().count == locks.count)
                    let second = try self.room.open(isReadOnly: isReadOnly)
                    #expect(try self.locks().count >= locks.count)
                    second.close()
                    #expect(try self.locks().count == locks.count)
                }
                first.close()
                #expect(try self.locks().isEmpty)
            }
        #endif

        @Test("A later version's file is refused and stays as it is")
        func tooNew() async throws {
            try await self.fill(peers: 1)
            let queue = try DatabaseQueue(path: self.room.path)
            try await queue.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99: the future')") }
            try queue.close()
            let before = try self.room.bytes()
            #expect(throws: PeerstoreError(.tooNew, "")) { try self.room.open() }
            #expect(try self.room.bytes() == before)
        }

        @Test("A truncated file is refused and stays as it is; an empty one is a new one")
        func truncated() async throws {
            try await self.fill()
            let whole = try self.room.bytes()
            // SQLite itself takes a file of one byte for an empty one.
            for size in stride(from: 2, to: whole.count, by: 1_500) {
                try self.room.write(whole.prefix(size))
                #expect(throws: PeerstoreError(.damaged, ""), "cut to \(size) of \(whole.count) bytes") { try self.room.open() }
                #expect(try self.room.bytes() == whole.prefix(size))
            }
            try self.room.write(Data())
            #expect(await (try self.room.open()).peers() == [])
        }

        @Test("Flipped bytes are refused or make less of what is known, and nothing traps")
        func flipped() async throws {
            try await self.fill()
            let whole = try self.room.bytes()
            var generator = SeededGenerator(seed: 127)
            var (refused, opened, known) = (0, 0, 0)
            for round in 0..<200 {
                var bytes = whole
                // Not in the first page alone: what is beneath the header is what a check may miss.
                for _ in 0...(round % 8) {
                    bytes[Int.random(in: (round % 2 == 0 ? 0 : 100)..<bytes.count, using: &generator)] ^= 1 << (round % 8)
                }
                try self.room.write(bytes)
                guard let store = try? self.room.open() else {
                    refused += 1
                    continue
                }
                opened += 1
                for peer in await store.peers() {
                    known += 1
                    _ = await store.addresses(of: peer)
                    _ = await store.introduction(of: peer)
                    _ = await store.metadata(named: "note", of: peer)
                    await store.saw(peer)
                }
                _ = try? await store.contents()
                let newcomer = try Room.peer()
                await store.add([Room.address(1)], of: newcomer, source: .given, timeToLive: .seconds(60))
                store.close()
            }
            // Most damage is found; where it is not, most of the peers are still there.
            #expect(refused > 0)
            #expect(opened > 0)
            #expect(known > opened)
        }

        @Test("Another process that writes for long costs what is learnt meanwhile, and hardly any time")
        func busy() async throws {
            let store = try self.room.open()
            let peer = try Room.peer()
            await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
            var configuration = Configuration()
            configuration.allowsUnsafeTransactions = true
            let other = try DatabaseQueue(path: self.room.path, configuration: configuration)
            try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
            let start = ContinuousClock.now
            await store.add([Room.address(2)], of: peer, source: .given, timeToLive: .seconds(60))
            #expect(await store.addresses(of: peer) == [Room.address(1)])
            #expect(ContinuousClock.now - start < .seconds(3))
            try await other.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
            await store.add([Room.address(3)], of: peer, source: .given, timeToLive: .seconds(60))
            #expect(await store.addresses(of: peer) == [Room.address(1), Room.address(3)])
        }

        @Test("Whoever has waited long enough for the disk reads nothing, and what was to be written is written")
        func hanging() async throws {
            let store = try self.room.open()
            let peer = try Room.peer()
            let disk = DispatchSemaphore(value: 0)
            let changing = Task { try await store.file.write { _ in disk.wait() } }
            let adding = Task { await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(60)) }
            let reading = Task { await store.addresses(of: peer) }
            reading.cancel()
            #expect(await reading.value == [])
            disk.signal()
            try await changing.value
            await adding.value
            #expect(await store.addresses(of: peer) == [Room.address(1)])
        }

        @Test("That all there is can't be read is said, not taken for nothing", arguments: ["peer", "address"])
        func missingTable(name: String) async throws {
            try await self.fill(peers: 1)
            let queue = try DatabaseQueue(path: self.room.path)
            try await queue.write { try $0.execute(sql: "ALTER TABLE \(name) RENAME TO other") }
            try queue.close()
            let store = try self.room.open(isReadOnly: true)
            let error = await #expect(throws: PeerstoreError(.unavailable, "")) { try await store.contents() }
            #expect(error?.message.contains(self.room.path) == true)
        }

        @Test("A peer whose id is no text hides no other")
        func strangeID() async throws {
            let store = try self.room.open()
            let peer = try Room.peer()
            await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
            await store.saw(peer)
            let queue = try DatabaseQueue(path: self.room.path)
            try await queue.write { database in
                let id = Data([0xc3, 0x28])
                try database.execute(sql: "INSERT INTO peer (id, seen, touched) VALUES (?, 'never', 0)", arguments: [id])
                try database.execute(
                    sql: "INSERT INTO address (peer, address, source, expires) VALUES (?, '/ip4/1.2.3.4/tcp/1', 'given', 9999999999)",
                    arguments: [id])
            }
            #expect(await store.peers() == [peer])
            #expect(try await store.contents().map(\.peer) == [peer])
        }

        @Test("Values of other kinds than the tables have, or that nobody could have told, count as none")
        func strangeValues() async throws {
            let key = try PrivateKey.generate(.ed25519)
            let (peer, stranger) = (PeerID(key.publicKey), try PrivateKey.generate(.ed25519))
            let record = try await PeerRecord(peer: PeerID(stranger.publicKey), sequence: 1, addresses: []).sealed(with: stranger)
            let store = try self.room.open()
            await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
            await store.remember(Introduction(agentVersion: "agent"), of: peer)
            let values: [[any DatabaseValueConvertible]] = [
                [Data([1, 2]), Data([0xff]), 7, "key", 1.5],
                [
                    Data(stranger.publicKey.protobufEncoded), "agent", "/x\u{1}\n\n/ok/1", Data(try record.protobufEncoded()),
                    "/ip4/1.2.3.4/tcp/70000\nnonsense\n/ip4/1.2.3.4/tcp/7",
                ],
                [Data(), Data(), Data(), Data(), Data([0xc3, 0x28])],
            ]
            for row in values.map({ $0.map(\.databaseValue) }) {
                let queue = try DatabaseQueue(path: self.room.path)
                try await queue.write { database in
                    try database.execute(
                        sql: "UPDATE peer SET key = ?, agent = ?, protocols = ?, record = ?, told = ?", arguments: StatementArguments(row))
                    try database.execute(
                        sql: "INSERT OR REPLACE INTO address (peer, address, source, expires) VALUES (?, 'nonsense', 'given', 9999999999)",
                        arguments: [peer.description])
                    try database.execute(
                        sql:
                            "INSERT OR REPLACE INTO address (peer, address, source, expires) VALUES (?, '/ip4/1.2.3.4/tcp/1', 'nobody', 9999999999)",
                        arguments: [peer.description])
                    try database.execute(
                        sql:
                            "INSERT OR REPLACE INTO address (peer, address, source, expires) VALUES (?, '/ip4/1.2.3.4/tcp/2', 'given', 'soon')",
                        arguments: [peer.description])
                    try database.execute(sql: "INSERT OR REPLACE INTO peer (id) VALUES ('nobody')")
                    try database.execute(
                        sql:
                            "INSERT OR REPLACE INTO address (peer, address, source, expires) VALUES ('nobody', '/ip4/1.2.3.4/tcp/2', 'given', 9999999999)"
                    )
                }
                try queue.close()
                let introduction = try #require(await store.introduction(of: peer))
                #expect(introduction.publicKey == nil)
                #expect(introduction.signedRecord == nil)
                #expect(introduction.listenAddresses.count <= 1)
                #expect(introduction.protocols.allSatisfy { ["/ok/1", "7"].contains($0.name) })
                #expect(await store.addresses(of: peer) == [Room.address(1)])
                #expect(await store.peers() == [peer])
                #expect(try await store.contents().map(\.peer) == [peer])
            }
        }
    }
#endif
