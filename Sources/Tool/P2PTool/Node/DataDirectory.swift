import P2P
import P2PCore
import P2PIdentity

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where a node keeps what must outlast it: its key, the peers that it knows, and what its hash table holds.
struct DataDirectory {
    private let path: String

    private var keyPath: String { self.path + "/node.key" }
    private var peersPath: String { self.path + "/peers.sqlite" }

    /// Where a daemon that runs can be asked.
    var control: ControlSocket { ControlSocket(path: self.path + "/control") }

    /// What the node that runs there knows of its reachability.
    var reachFile: ReachFile { ReachFile(self.path + "/reach") }

    init(_ path: String) {
        self.path = path
    }

    /// What the node that runs there knows of its reachability: the object, and the text.
    ///
    /// - Throws: `ToolError` with the code `notRunning` when none runs there.
    func reachability() throws -> (object: String, text: String) {
        guard access(self.path + "/lock", F_OK) == 0, (try? FileLock(self.path + "/lock")) == nil else {
            throw ToolError("notRunning", "no node runs with \(self.path): start one (p2p daemon --data \(self.path)), or say --bootstrap")
        }
        return try self.reachFile.read()
    }

    /// Makes the directory unless it is there, and takes it: two nodes with one key would answer for each other.
    ///
    /// - Returns: holds the directory for as long as it lives, and no longer than the process.
    func take() throws -> FileLock {
        guard mkdir(self.path, 0o700) == 0 || errno == EEXIST else { throw Self.error("can't be made", self.path) }
        return try FileLock(self.path + "/lock")
    }

    /// The key that is kept there; made the first time, never replaced.
    func identity() throws -> PrivateKey {
        if let key = try self.keptKey() { return key }
        let made = try PrivateKey.generate(.ed25519)
        if try self.keep(made) { return made }
        // Somebody else was faster, where there are no locks.
        return try KeyFile.read(self.keyPath)
    }

    private func keptKey() throws(IdentityError) -> PrivateKey? {
        do throws(IdentityError) { return try self.readKey() } catch  where error.code == .keyFileMissing { return nil }
    }

    private func readKey() throws(IdentityError) -> PrivateKey { try KeyFile.read(self.keyPath, noting: KeyNote.log) }

    /// - Returns: false when there is one already.
    private func keep(_ key: PrivateKey) throws(IdentityError) -> Bool {
        do throws(IdentityError) { try self.writeKey(key) } catch  where error.code == .keyFileExists { return false }
        return true
    }

    private func writeKey(_ key: PrivateKey) throws(IdentityError) { try KeyFile.write(key, to: self.keyPath, noting: KeyNote.log) }

    /// The peers that are kept there.
    ///
    /// - Parameter isReadOnly: for a look at what a node keeps, whether it runs or not.
    func peerstore(isReadOnly: Bool = false) throws -> SQLitePeerstore {
        try SQLitePeerstore(path: self.peersPath, isReadOnly: isReadOnly)
    }

    /// What the hash table of a network keeps there.
    func hashTable(of network: ProtocolID) throws -> SQLiteKademlia {
        try SQLiteKademlia(path: self.path + "/dht.sqlite", network: network)
    }

    static func error(_ what: String, _ path: String) -> ToolError {
        ToolError("dataUnavailable", "\(path) \(what): \(String(cString: strerror(errno)))")
    }
}
