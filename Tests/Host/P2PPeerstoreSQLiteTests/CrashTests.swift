#if SQLite
    import Foundation
    import GRDB
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import Synchronization
    import Testing

    @testable import P2PPeerstoreSQLite

    @Suite("The lasting peerstore survives", .timeLimit(.minutes(5)))
    struct CrashTests {
        /// How often the writer is killed; each time goes on with the file that the last one left.
        static let kills = 200
        /// Peers that it writes about, in turns.
        static let peers: UInt64 = 20

        #if canImport(Glibc)
            static let fileSize = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
        #else
            static let fileSize = RLIMIT_FSIZE
        #endif

        /// What a writer has written.
        private static let writes = Atomic<UInt64>(0)

        private let room: Room

        init() throws { self.room = try Room() }

        /// The peer of a number: any 32 bytes are an id.
        static func peer(_ number: UInt64) throws -> PeerID {
            let bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) } + [UInt8](repeating: 0, count: 24)
            return try PeerID(bytes: [0x12, 32] + bytes)
        }

        /// What a process that a test starts is to do; it inherits the environment.
        static func tellChildren(_ path: String, from number: UInt64) {
            setenv("P2P_PATH", path, 1)
            setenv("P2P_NUMBER", "\(number)", 1)
        }

        static func told(_ name: String) throws -> String { String(cString: try #require(getenv(name))) }

        /// Writes from `number` on until it is killed, and notes in a file beside it what the store has taken.
        static func write(_ path: String, from number: UInt64) async throws {
            let store = try SQLitePeerstore(path: path)
            let log = open(path + ".taken", O_WRONLY | O_CREAT | O_APPEND, 0o600)
            let wanted = UInt64.random(in: 0...8)
            let moment = UInt32.random(in: 0..<3_000)
            Thread.detachNewThread {
                while Self.writes.load(ordering: .relaxed) < wanted { usleep(100) }
                usleep(moment)
                kill(getpid(), SIGKILL)
            }
            var number = number
            while true {
                number += 1
                let peer = try Self.peer(number % Self.peers)
                let value = withUnsafeBytes(of: number.bigEndian) { Array($0) }
                await store.add([Room.address(UInt16(number % 60_000 + 1))], of: peer, source: .connected, timeToLive: .seconds(600))
                try await store.setMetadata(value + [UInt8](repeating: value[7], count: 1_000), named: "number", of: peer)
                _ = value.withUnsafeBytes { Foundation.write(log, $0.baseAddress, 8) }
                Self.writes.wrappingAdd(1, ordering: .relaxed)
            }
        }

        private func taken() -> UInt64 {
            guard let bytes = try? self.room.bytes(".taken"), bytes.count >= 8 else { return 0 }
            return bytes.suffix(bytes.count % 8 + 8).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }

        @Test("being killed 200 times while it writes: no file is damaged, and nothing is lost that it had taken")
        func kills() async throws {
            var rounds = 0
            for round in 0..<Self.kills {
                let before = self.taken()
                Self.tellChildren(self.room.path, from: before)
                await #expect(processExitsWith: .signal(SIGKILL)) {
                    try await CrashTests.write(try CrashTests.told("P2P_PATH"), from: UInt64(try CrashTests.told("P2P_NUMBER")) ?? 0)
                }
                let taken = self.taken()
                if taken > before { rounds += 1 }
                let store = try self.room.open()
                for number in (taken > Self.peers ? taken - Self.peers + 1 : 1)..<(taken + 1) {
                    let peer = try Self.peer(number % Self.peers)
                    let value = try #require(await store.metadata(named: "number", of: peer), "\(number) is lost after kill \(round)")
                    let found = value.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                    #expect(found >= number && found <= taken + 1, "\(found) instead of \(number) after kill \(round)")
                    #expect(value.dropFirst(8).allSatisfy { $0 == UInt8(truncatingIfNeeded: found) })
                }
                store.close()
            }
            // Eight of nine are told to write before they die.
            #expect(rounds > Self.kills / 2, "in \(rounds) rounds alone the writer came to write")
        }

        @Test("a disk that fills up: what was there stays, and it goes on once there is room")
        func diskFull() async throws {
            Self.tellChildren(self.room.path, from: 0)
            await #expect(processExitsWith: .success) {
                signal(SIGXFSZ, SIG_IGN)
                let store = try SQLitePeerstore(path: try CrashTests.told("P2P_PATH"))
                let peer = try CrashTests.peer(1)
                await store.add([Room.address(1)], of: peer, source: .given, timeToLive: .seconds(600))
                try await store.setMetadata([1], named: "n", of: peer)
                let log = try FileManager.default.attributesOfItem(atPath: CrashTests.told("P2P_PATH") + "-wal")
                let size = try #require(log[.size] as? Int)

                var limit = rlimit()
                getrlimit(CrashTests.fileSize, &limit)
                let before = limit.rlim_cur
                limit.rlim_cur = rlim_t(size)
                setrlimit(CrashTests.fileSize, &limit)
                for number in 0..<100 {
                    await #expect(throws: PeerstoreError(.unavailable, "")) {
                        try await store.setMetadata([UInt8](repeating: 1, count: 100), named: "n", of: try CrashTests.peer(UInt64(number)))
                    }
                }
                await store.add([Room.address(2)], of: peer, source: .given, timeToLive: .seconds(600))
                await store.forget(peer)
                #expect(await store.addresses(of: peer) == [Room.address(1)])
                #expect(await store.metadata(named: "n", of: peer) == [1])

                limit.rlim_cur = before
                setrlimit(CrashTests.fileSize, &limit)
                try await store.setMetadata([2], named: "n", of: peer)
                #expect(await store.metadata(named: "n", of: peer) == [2])
            }
            let store = try self.room.open()
            #expect(await store.metadata(named: "n", of: try Self.peer(1)) == [2])
        }
    }
#endif
