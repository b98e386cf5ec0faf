import Synchronization

/// Tells subscribers that this node has something new to say about itself; several changes may be told as one.
final class IntroductionChanges: Sendable {
    private struct State {
        var lastSubscriber: UInt64 = 0
        var subscribers: [UInt64: AsyncStream<Void>.Continuation] = [:]
    }

    private let state = Mutex(State())

    func subscribe() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
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

    func post() {
        for subscriber in self.state.withLock({ Array($0.subscribers.values) }) { subscriber.yield() }
    }
}
