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

/// Where a node keeps what must outlast it: its key, and the peers that it knows.
struct DataDirectory {
    private let path: String

    private var keyPath: String { self.path + "/node.key" }
    private var peersPath: String { self.path + "/peers.sqlite" }

    init(_ path: String) {
        self.path = path
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
        do throws(IdentityError) {
            return try KeyFile.read(self.keyPath)
        } catch  where error.code == .keyFileMissing {
            let key = try PrivateKey.generate(.ed25519)
            try KeyFile.write(key, to: self.keyPath)
            return key
        }
    }

    /// The peers that are kept there.
    ///
    /// - Parameter isReadOnly: for a look at what a node keeps, whether it runs or not.
    func peerstore(isReadOnly: Bool = false) throws -> SQLitePeerstore {
        try SQLitePeerstore(path: self.peersPath, isReadOnly: isReadOnly)
    }

    static func error(_ what: String, _ path: String) -> ToolError {
        ToolError("dataUnavailable", "\(path) \(what): \(String(cString: strerror(errno)))")
    }
}
