public import Logging
import NIOCore
public import P2PCore
import Synchronization

/// Remembers peers in a file, across restarts and crashes.
///
/// Every change is a transaction in a write-ahead log: after a crash of the process the file is as after the last change that was made.
/// What can't be written, because the disk is full for instance, is logged and dropped; what was there stays. Needs the package trait
/// `SQLite`.
public final class SQLitePeerstore: Peerstore {
    /// Whether it was built in; without, a file can't be opened and the error names the package trait.
    public static var isBuiltIn: Bool {
        #if SQLite
            true
        #else
            false
        #endif
    }

    /// Thirty days: long enough to find a peer again after a holiday.
    public let metPeerTimeToLive = Duration.seconds(30 * 24 * 3_600)

    /// How often failures are logged.
    private static let logInterval = TimeAmount.seconds(60)

    #if SQLite
        let file: PeerstoreFile
    #endif
    private let logger: Logger
    private let logged = Mutex(LogInterval(SQLitePeerstore.logInterval))

    /// Opens the file, or makes it, readable by its owner alone.
    ///
    /// - Parameter isReadOnly: the file must be there, and is not changed: for a look at what another process keeps.
    /// - Throws: ``PeerstoreError``; the file is as it was then.
    public convenience init(
        path: String, isReadOnly: Bool = false, limits: PeerstoreLimits = PeerstoreLimits(), logger: Logger = Logger(label: "p2p.peerstore")
    ) throws(PeerstoreError) {
        try self.init(path: path, isReadOnly: isReadOnly, limits: limits, logger: logger, time: .system)
    }

    package init(
        path: String, isReadOnly: Bool = false, limits: PeerstoreLimits, logger: Logger, time: PeerstoreTime
    ) throws(PeerstoreError) {
        self.logger = logger
        #if SQLite
            self.file = try PeerstoreFile(path, isReadOnly: isReadOnly, limits: limits, time: time)
        #else
            throw PeerstoreError(
                .notBuiltIn, "a lasting peerstore is not built in; build with the package trait SQLite (or Full), which needs libsqlite3")
        #endif
    }

    /// Puts the log into the file and closes it. Nothing is read or written afterwards.
    public func close() {
        #if SQLite
            self.file.close()
        #endif
    }

    /// Says so at most once a minute.
    func log(_ message: String, _ error: any Error) {
        guard self.logged.withLock({ $0.admit(at: .now()) }) != nil else { return }
        self.logger.warning("\(message)", metadata: ["reason": "\(error)"])
    }
}
