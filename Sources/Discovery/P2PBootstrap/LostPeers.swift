import NIOCore
import P2PCore
import P2PIdentity

/// How soon remembered peers are worth another dial once their connection is lost: at once, and ever later where connections do not last. A value:
/// time is an argument.
struct LostPeers {
    /// A connection that lasted so long was a good one.
    static let settling = Duration.seconds(60)
    /// The pause after the second short connection in a row; it doubles from then on.
    static let firstPause = Duration.seconds(1)
    /// The longest pause.
    static let longestPause = Duration.seconds(60)

    private struct Entry {
        var connectedSince: NIODeadline?
        var pause = Duration.zero
    }

    private var entries: [PeerID: Entry]

    /// - Parameter peers: the only ones that count.
    init(_ peers: [PeerID]) {
        self.entries = Dictionary(peers.map { ($0, Entry()) }, uniquingKeysWith: { first, _ in first })
    }

    /// Those that are connected, as far as is known.
    var connected: [PeerID] { self.entries.filter { $0.value.connectedSince != nil }.map(\.key) }

    mutating func connected(_ peer: PeerID, at now: NIODeadline) {
        guard let entry = self.entries[peer], entry.connectedSince == nil else { return }
        self.entries[peer]?.connectedSince = now
    }

    /// The last connection to the peer has ended.
    ///
    /// - Returns: how long to wait; nil for a peer that does not count, or was not connected.
    mutating func lost(_ peer: PeerID, at now: NIODeadline) -> Duration? {
        guard let entry = self.entries[peer], let since = entry.connectedSince else { return nil }
        let pause = now >= since.advanced(by: Self.settling) ? .zero : entry.pause
        self.entries[peer] = Entry(pause: min(max(pause * 2, Self.firstPause), Self.longestPause))
        return pause
    }
}
