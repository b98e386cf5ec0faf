import NIOCore
import P2PCore

/// How much of what has changed about this node the peer of a connection was told, until it says whether it wants to be told more.
///
/// A value. Bounded: beyond the limit, the connection that was told first is forgotten.
struct ChangesTold {
    private var entries: [ConnectionID: UInt64] = [:]
    private var order = CircularBuffer<ConnectionID>()
    private let limit: Int

    init(limit: Int = IdentifyLimits.rememberedPeers) {
        self.limit = max(1, limit)
    }

    /// How many connections are remembered.
    var count: Int { self.entries.count }

    /// The peer was told what there was after so many changes.
    mutating func told(_ connection: ConnectionID, after changes: UInt64) {
        guard self.entries.updateValue(changes, forKey: connection) == nil else { return }
        self.order.append(connection)
        if self.order.count > self.limit { self.entries[self.order.removeFirst()] = nil }
    }

    /// After how many changes that was; forgotten with the answer.
    mutating func take(_ connection: ConnectionID) -> UInt64? {
        self.entries.removeValue(forKey: connection)
    }
}
