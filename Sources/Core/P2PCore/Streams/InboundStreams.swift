/// The streams that a peer opens, one consumer, bounded.
///
/// Ends with nil only after our own close; anything else throws a ``ConnectionError``.
public struct InboundStreams: AsyncSequence, Sendable {
    /// Each element is a stream on which no protocol has been agreed yet, in the order in which the peer opened them.
    public typealias Element = PeerStream
    /// Thrown when the connection ends in another way than by our own close.
    public typealias Failure = ConnectionError

    package let backlog: InboundBacklog

    package init(_ backlog: InboundBacklog) {
        self.backlog = backlog
    }

    /// Takes the streams one by one.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let backlog: InboundBacklog

        /// Waits for the next one.
        public mutating func next() async throws(ConnectionError) -> PeerStream? {
            try await self.backlog.next()
        }

        /// Waits for the next one, on the caller's actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(ConnectionError) -> PeerStream? {
            try await self.backlog.next()
        }
    }

    /// One consumer at a time: elements go to whoever asks first.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(backlog: self.backlog)
    }
}

/// Streams that the peer opened and nobody has taken yet.
package final class InboundBacklog: Sendable {
    private let inbox: Inbox<PeerStream, ConnectionError>

    /// - Parameter limit: streams that may wait here.
    package init(limit: Int = 256) {
        self.inbox = Inbox(limit: limit)
    }

    /// Adds a stream; false when the backlog is full or over, and the stream is to be refused.
    package func offer(_ stream: PeerStream) -> Bool {
        self.inbox.offer(stream)
    }

    /// Takes what waits, without waiting for more.
    package func takeAll() -> [PeerStream] { Array(self.inbox.takeAll()) }

    /// No more will come: success after our own close, else why. Streams that nobody took are let go.
    package func finish(_ ending: Result<Void, ConnectionError>) {
        self.inbox.finish(ending)
        _ = self.inbox.takeAll()
    }

    package func next() async throws(ConnectionError) -> PeerStream? {
        if let stream = try await self.inbox.next() { return stream }
        if Task.isCancelled { throw ConnectionError(.cancelled, "the task that waited for streams was cancelled") }
        return nil
    }
}
