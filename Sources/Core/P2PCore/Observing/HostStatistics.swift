/// What a host holds at a moment, and what it has carried.
public struct HostStatistics: Sendable, Hashable {
    /// Connections that live.
    public var connections: Int
    /// Streams that live, both ways.
    public var streams: Int
    /// Arrivals whose handshakes are not done.
    public var pending: Int
    /// Dials that are under way.
    public var dials: Int
    /// Tasks that the host owns.
    public var tasks: Int
    /// Bytes that arrived on connections, also on those that have ended; after decryption.
    public var bytesIn: UInt64
    /// Bytes that were sent on connections, also on those that have ended; before encryption.
    public var bytesOut: UInt64
    /// Bytes that peers make the host hold, of those that `memory` and `memoryAllowed` in ``HostConfiguration/limits`` let them.
    public var heldBytes: Int

    /// Takes every figure.
    public init(
        connections: Int = 0, streams: Int = 0, pending: Int = 0, dials: Int = 0, tasks: Int = 0, bytesIn: UInt64 = 0,
        bytesOut: UInt64 = 0, heldBytes: Int = 0
    ) {
        self.connections = connections
        self.streams = streams
        self.pending = pending
        self.dials = dials
        self.tasks = tasks
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.heldBytes = heldBytes
    }
}
