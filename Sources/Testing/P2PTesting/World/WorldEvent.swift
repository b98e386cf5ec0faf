/// Something that was sent from one host of a ``World`` to another, or that happened to their connection.
public struct WorldEvent: Sendable, Hashable, CustomStringConvertible {
    /// What it is.
    public enum Kind: Sendable, Hashable {
        /// A dial began.
        case dialled
        /// A connection is ready for the dialer.
        case connected
        /// Bytes of a stream were sent.
        case bytes(Int)
        /// Credit for a stream was returned, in bytes.
        case credit(Int)
        /// A stream's half was finished.
        case finished
        /// A stream was reset.
        case reset
        /// No new streams are taken any more.
        case goingAway
        /// The connection was closed.
        case closed
        /// The connection was lost to a partition.
        case lost
    }

    /// Since the world began.
    public let time: Duration
    /// The number of the host that did it, in the order in which the hosts were made.
    public let from: Int
    /// The number of the other host.
    public let to: Int
    /// The number of the connection in this world; 0 before there is one.
    public let connection: UInt64
    /// The number of the stream in its connection; 0 for none.
    public let stream: UInt64
    /// What was sent, or happened.
    public let kind: Kind

    /// For people.
    public var description: String {
        "\(self.time) \(self.from)->\(self.to) connection \(self.connection) stream \(self.stream): \(self.kind)"
    }

    /// The numbers that tell it from others.
    var words: [UInt64] {
        let (kind, count): (UInt64, Int) =
            switch self.kind {
            case .dialled: (0, 0)
            case .connected: (1, 0)
            case .bytes(let count): (2, count)
            case .credit(let count): (3, count)
            case .finished: (4, 0)
            case .reset: (5, 0)
            case .goingAway: (6, 0)
            case .closed: (7, 0)
            case .lost: (8, 0)
            }
        return [
            UInt64(self.time.components.seconds) &* 1_000_000_000 &+ UInt64(self.time.components.attoseconds / 1_000_000_000),
            UInt64(self.from) << 32 | UInt64(self.to), self.connection, self.stream,
            kind, UInt64(clamping: count),
        ]
    }
}
