import NIOCore
import P2PCore

/// Since when a connection has been idle, from looks at its counters now and then. A value: nothing is told to it while bytes flow.
struct ConnectionActivity: Sendable {
    /// What moves on a connection of which nobody makes use: the muxer's questions whether the peer lives.
    static let keepAlive: UInt64 = 256
    /// In which time it may be so much.
    private static let period = TimeAmount.seconds(30)

    private var bytes: UInt64
    private var streams: Int
    private var counted: NIODeadline
    /// When it was last seen to have moved; when it was opened, if never.
    private(set) var movedAt: NIODeadline

    /// - Parameter now: when the connection was opened.
    init(at now: NIODeadline) {
        (self.bytes, self.streams, self.counted, self.movedAt) = (0, 0, now, now)
    }

    /// Takes a look.
    mutating func observe(_ traffic: ConnectionTraffic, at now: NIODeadline) {
        let bytes = traffic.bytesIn &+ traffic.bytesOut
        let hasMoved = bytes &- self.bytes > Self.keepAlive || traffic.streams != self.streams
        if hasMoved { self.movedAt = now }
        guard hasMoved || now - self.counted >= Self.period else { return }
        (self.bytes, self.streams, self.counted) = (bytes, traffic.streams, now)
    }
}
