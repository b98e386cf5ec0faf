import NIOCore
import P2PCore

/// Streams on which a request was answered, for the next one to the same peer: a new one would cost both sides a negotiation.
///
/// A value. One a connection; a request takes it away, so that no two are on one stream.
struct KeptStreams {
    /// How long one is kept: js ends a stream that is idle for 10 s, go and rust later.
    static let lifetime = Duration.seconds(8)

    private struct Entry {
        let stream: PeerStream
        let until: NIODeadline
    }

    private let limit: Int
    private var entries: [ConnectionID: Entry] = [:]

    init(limit: Int = KademliaLimits.keptStreams) { self.limit = limit }

    var count: Int { self.entries.count }

    /// When the first of them has been kept for long enough.
    var end: NIODeadline? { self.entries.values.lazy.map(\.until).min() }

    /// The stream of that connection, unless it was kept for long enough. It is of use only while it is at rest.
    mutating func take(on connection: ConnectionID, at now: NIODeadline) -> PeerStream? {
        guard let entry = self.entries[connection], entry.until > now else { return nil }
        self.entries[connection] = nil
        return entry.stream
    }

    /// - Returns: false when it is not kept, since there is one already, or no room.
    mutating func keep(_ stream: PeerStream, on connection: ConnectionID, at now: NIODeadline) -> Bool {
        guard self.entries[connection] == nil, self.entries.count < self.limit, stream.isAtRest else { return false }
        self.entries[connection] = Entry(stream: stream, until: now.advanced(by: Self.lifetime))
        return true
    }

    /// Ends all of them.
    func reset() { for entry in self.entries.values { entry.stream.reset() } }

    /// Those that were kept for long enough.
    mutating func takeOver(at now: NIODeadline) -> [PeerStream] {
        let over = self.entries.filter { $0.value.until <= now }
        for connection in over.keys { self.entries[connection] = nil }
        return over.values.map(\.stream)
    }
}

extension PeerStream {
    /// Nothing waits to be read, and neither side has ended it: what a peer has sent of its own accord would be taken for the answer to the next request.
    var isAtRest: Bool { self.muxed.unreadBytes == 0 && !self.muxed.hasPeerFinished && self.muxed.failure == nil }
}
