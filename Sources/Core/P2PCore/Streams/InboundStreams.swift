import NIOCore
import Synchronization

/// The streams that a peer opens, one consumer, bounded.
///
/// Ends with nil only after our own close; anything else throws a ``ConnectionError``.
public struct InboundStreams: AsyncSequence, Sendable {
    public typealias Element = PeerStream
    public typealias Failure = ConnectionError

    package let backlog: InboundBacklog

    package init(_ backlog: InboundBacklog) {
        self.backlog = backlog
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let backlog: InboundBacklog

        public mutating func next() async throws(ConnectionError) -> PeerStream? {
            try await self.backlog.next()
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(ConnectionError) -> PeerStream? {
            try await self.backlog.next()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(backlog: self.backlog)
    }
}

/// Streams that the peer opened and nobody has taken yet.
package final class InboundBacklog: Sendable {
    package typealias Ending = Result<Void, ConnectionError>

    private struct State {
        var waiting = CircularBuffer<PeerStream>(initialCapacity: 0)
        var consumer: UnsafeContinuation<Void, Never>?
        var isCancelled = false
        var ending: Ending?
    }

    private let state = Mutex(State())
    /// Streams that may wait here.
    package let limit: Int

    package init(limit: Int = 256) {
        self.limit = limit
    }

    /// Adds a stream; false when the backlog is full or over, and the stream is to be refused.
    package func offer(_ stream: PeerStream) -> Bool {
        let (isTaken, consumer) = self.state.withLock { state -> (Bool, UnsafeContinuation<Void, Never>?) in
            guard state.ending == nil, state.waiting.count < self.limit else { return (false, nil) }
            state.waiting.append(stream)
            return (true, state.consumer.take())
        }
        consumer?.resume()
        return isTaken
    }

    /// No more will come: success after our own close, else why. Streams that nobody took are let go.
    package func finish(_ ending: Ending) {
        let (dropped, consumer) = self.state.withLock { state -> (CircularBuffer<PeerStream>, UnsafeContinuation<Void, Never>?) in
            if state.ending == nil { state.ending = ending }
            defer { state.waiting = CircularBuffer(initialCapacity: 0) }
            return (state.waiting, state.consumer.take())
        }
        consumer?.resume()
        withExtendedLifetime(dropped) {}
    }

    package func next() async throws(ConnectionError) -> PeerStream? {
        while true {
            let result = self.state.withLock { state -> Result<PeerStream?, ConnectionError>? in
                if let stream = state.waiting.popFirst() { return .success(stream) }
                state.isCancelled = false
                return state.ending.map { ending in ending.map { nil } }
            }
            if let result { return try result.get() }
            await self.wait()
            if self.state.withLock({ $0.isCancelled }) {
                throw ConnectionError(.cancelled, "the task that waited for streams was cancelled")
            }
        }
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let isParked = self.state.withLock { state in
                    guard !state.isCancelled, state.waiting.isEmpty, state.ending == nil, state.consumer == nil else { return false }
                    state.consumer = continuation
                    return true
                }
                if !isParked { continuation.resume() }
            }
        } onCancel: {
            let consumer = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
                state.isCancelled = true
                return state.consumer.take()
            }
            consumer?.resume()
        }
    }
}
