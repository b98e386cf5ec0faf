#if SQLite
    import Foundation
    import Logging
    import P2PCore
    import P2PIdentity
    import P2PMultiaddr
    import Synchronization

    @testable import P2PPeerstoreSQLite

    /// A folder for one store, and a clock that a test turns by hand.
    final class Room: Sendable {
        static let start: Int64 = 1_700_000_000

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("peerstore-\(UUID())").path
        private let time = Atomic<Int64>(Room.start)
        /// By how much the clock is ahead.
        private let error = Atomic<Int64>(0)

        init() throws { try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: self.folder) }

        var path: String { self.folder + "/peers.sqlite" }
        var now: Int64 { self.time.load(ordering: .relaxed) }

        func open(_ limits: PeerstoreLimits = PeerstoreLimits(), isReadOnly: Bool = false) throws -> SQLitePeerstore {
            try SQLitePeerstore(
                path: self.path, isReadOnly: isReadOnly, limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                time: PeerstoreTime(
                    wall: { self.now + self.error.load(ordering: .relaxed) }, steady: { self.time.load(ordering: .relaxed) }))
        }

        /// Time passes.
        func advance(_ duration: Duration) { self.time.wrappingAdd(duration.components.seconds, ordering: .relaxed) }

        /// Somebody sets the clock: it is right again with zero.
        func setClock(ahead error: Duration) { self.error.store(error.components.seconds, ordering: .relaxed) }

        func bytes(_ suffix: String = "") throws -> Data { try Data(contentsOf: URL(fileURLWithPath: self.path + suffix)) }

        func write(_ bytes: Data) throws {
            for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: self.path + suffix) }
            try bytes.write(to: URL(fileURLWithPath: self.path))
            try self.setMode(0o600)
        }

        func setMode(_ mode: Int) throws {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: self.path)
        }

        static func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }
        static func address(_ port: UInt16) -> Multiaddr { Multiaddr(ip: .loopbackV4, tcp: port) }
    }
#endif
