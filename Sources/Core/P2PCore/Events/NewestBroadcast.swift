import Synchronization

/// Tells subscribers of each change; of several that one has not heard of yet, only the newest waits for it. From any thread.
package final class NewestBroadcast<Element: Sendable>: Sendable {
    private struct State {
        var lastSubscriber: UInt64 = 0
        var subscribers: [UInt64: AsyncStream<Element>.Continuation] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// What is posted from now on, until whoever asked lets go of the sequence.
    package func subscribe() -> AsyncStream<Element> {
        let (stream, continuation) = AsyncStream.makeStream(of: Element.self, bufferingPolicy: .bufferingNewest(1))
        let subscriber = self.state.withLock { state in
            state.lastSubscriber += 1
            state.subscribers[state.lastSubscriber] = continuation
            return state.lastSubscriber
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.subscribers.removeValue(forKey: subscriber) }
        }
        return stream
    }

    /// Tells everybody.
    package func post(_ element: Element) {
        for subscriber in self.state.withLock({ Array($0.subscribers.values) }) { subscriber.yield(element) }
    }
}

extension NewestBroadcast<Void> {
    /// Tells everybody that there was a change.
    package func post() { self.post(()) }
}
