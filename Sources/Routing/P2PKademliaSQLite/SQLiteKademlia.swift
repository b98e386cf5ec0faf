public import Logging
import NIOCore
public import P2PCore
public import P2PKademlia
import P2PPeerstoreSQLite
import Synchronization

/// What a hash table keeps in a file, across restarts and crashes: the keys that its node provides, its peers, values and providers.
///
/// One file may serve several tables, each by the protocol of its network. A change of the keys is a transaction that is done when the call returns; the rest is written down every few seconds.
/// What can't be written is logged and dropped. Needs the package trait `SQLite`.
///
/// ```swift
/// let kept = try SQLiteKademlia(path: "dht.sqlite", network: configuration.protocolID)
/// configuration.keystore = kept
/// configuration.archive = kept
/// ```
public final class SQLiteKademlia: ProviderKeystore, KademliaArchive {
    /// Whether it was built in; without, a file can't be opened and the error names the package trait.
    public static var isBuiltIn: Bool { SQLitePeerstore.isBuiltIn }

    /// How often failures are logged.
    private static let logInterval = TimeAmount.seconds(60)

    #if SQLite
        let file: KademliaFile
    #endif
    private let network: ProtocolID
    private let logger: Logger
    private let logged = Mutex(LogInterval(SQLiteKademlia.logInterval))
    /// How many keys there are, once they have been counted: counting reads them all.
    private let counted = Mutex<Int?>(nil)

    /// Opens the file, or makes it, readable by its owner alone.
    ///
    /// - Parameter network: whose table it is.
    /// - Throws: ``PeerstoreError``; the file is as it was then.
    public init(path: String, network: ProtocolID, logger: Logger = Logger(label: "p2p.dht")) throws(PeerstoreError) {
        self.network = network
        self.logger = logger
        #if SQLite
            self.file = try KademliaFile(path)
        #else
            throw PeerstoreError(
                .notBuiltIn, "a lasting hash table is not built in; build with the package trait SQLite (or Full), which needs libsqlite3")
        #endif
    }

    /// Puts the log into the file and closes it. Nothing is read or written afterwards.
    public func close() {
        #if SQLite
            self.file.close()
        #endif
    }

    /// Says so at most once a minute.
    private func log(_ message: String, _ error: any Error) {
        guard self.logged.withLock({ $0.admit(at: .now()) }) != nil else { return }
        self.logger.warning("\(message)", metadata: ["reason": "\(error)"])
    }

    #if SQLite
        private func read<Outcome: Sendable>(
            _ body: @escaping @Sendable (KademliaTables) throws -> Outcome
        ) async throws(KademliaError) -> Outcome {
            do {
                return try await self.file.read(self.network, body)
            } catch {
                throw Self.unavailable(error)
            }
        }

        /// Changes the keys; the change returns how many more there are.
        private func change(_ body: @escaping @Sendable (KademliaTables) throws -> Int) async throws(KademliaError) {
            do {
                try await self.file.write(self.network) { tables in
                    let more = try body(tables)
                    self.counted.withLock { $0 = $0.map { $0 + more } }
                }
            } catch {
                self.counted.withLock { $0 = nil }
                throw Self.unavailable(error)
            }
        }

        private static func unavailable(_ error: any Error) -> KademliaError {
            KademliaError(.keystoreUnavailable, "the keys that this node provides can't be read or written", cause: error)
        }
    #endif

    // MARK: Keys

    /// Adds keys; those that are there stay.
    public func add(_ keys: [[UInt8]]) async throws(KademliaError) {
        #if SQLite
            try await self.change { try $0.provide(keys) }
        #endif
    }

    /// Takes a key out.
    public func remove(_ key: [UInt8]) async throws(KademliaError) {
        #if SQLite
            try await self.change { -(try $0.stopProviding(key)) }
        #endif
    }

    /// Whether the key is there; false when the file can't be read.
    public func contains(_ key: [UInt8]) async -> Bool {
        #if SQLite
            (try? await self.read { try $0.provides(key) }) ?? false
        #else
            false
        #endif
    }

    /// How many there are; none when the file can't be read.
    public func count() async -> Int {
        #if SQLite
            if let count = self.counted.withLock({ $0 }) { return count }
            let count = try? await self.read { tables in
                let count = try tables.providedCount()
                // Where no change comes between.
                self.counted.withLock { $0 = count }
                return count
            }
            return count ?? 0
        #else
            0
        #endif
    }

    /// The keys that follow on this one, in the order of their SHA-256.
    public func keys(after key: [UInt8]?, upTo limit: Int) async throws(KademliaError) -> [[UInt8]] {
        #if SQLite
            try await self.read { try $0.provided(after: key, upTo: limit) }
        #else
            []
        #endif
    }

    // MARK: The table

    /// What was kept; nothing when the file can't be read.
    public func load() async -> KademliaHoldings {
        #if SQLite
            do {
                return try await self.file.write(self.network) { try $0.holdings(at: WallTime.now.secondsSince1970) }
            } catch {
                self.log("what the hash table held could not be read", error)
            }
        #endif
        return KademliaHoldings()
    }

    /// Keeps what has changed, in one transaction.
    public func save(_ changes: KademliaChanges) async {
        #if SQLite
            do {
                try await self.file.write(self.network) { try $0.apply(changes) }
            } catch {
                self.log("what the hash table holds could not be written", error)
            }
        #endif
    }
}
