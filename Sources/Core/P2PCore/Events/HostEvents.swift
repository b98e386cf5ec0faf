import NIOCore
import Synchronization

/// A subscription to what happens to a host: bounded, and honest about what it lost.
public struct HostEvents: AsyncSequence, Sendable {
    public typealias Element = HostEvent
    public typealias Failure = Never

    let mailbox: Mailbox

    public struct AsyncIterator: AsyncIteratorProtocol {
        let mailbox: Mailbox

        public mutating func next() async -> HostEvent? { await self.mailbox.next() }
        public mutating func next(isolation actor: isolated (any Actor)?) async -> HostEvent? { await self.mailbox.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(mailbox: self.mailbox) }

    /// One subscriber's queue.
    final class Mailbox: Sendable {
        private struct State {
            var events = CircularBuffer<HostEvent>(initialCapacity: 0)
            var lost = 0
            var isFinished = false
            var consumer: UnsafeContinuation<Void, Never>?
        }

        private let state = Mutex(State())
        private let limit: Int

        init(limit: Int) { self.limit = limit }

        func post(_ event: HostEvent) {
            self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
                if state.events.count < self.limit { state.events.append(event) } else { state.lost += 1 }
                return state.consumer.take()
            }?.resume()
        }

        func finish() {
            self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
                state.isFinished = true
                return state.consumer.take()
            }?.resume()
        }

        func next() async -> HostEvent? {
            while !Task.isCancelled {
                let (event, isFinished) = self.state.withLock { state -> (HostEvent?, Bool) in
                    if let event = state.events.popFirst() { return (event, false) }
                    if state.lost > 0 {
                        defer { state.lost = 0 }
                        return (.lost(count: state.lost), false)
                    }
                    return (nil, state.isFinished)
                }
                if event != nil || isFinished { return event }
                await withTaskCancellationHandler {
                    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                        let isParked = self.state.withLock { state in
                            guard state.events.isEmpty, state.lost == 0, !state.isFinished, state.consumer == nil, !Task.isCancelled
                            else { return false }
                            state.consumer = continuation
                            return true
                        }
                        if !isParked { continuation.resume() }
                    }
                } onCancel: {
                    self.state.withLock { $0.consumer.take() }?.resume()
                }
            }
            return nil
        }
    }
}

/// Where events are posted, and subscribed to.
package final class HostEventBus: Sendable {
    private struct State {
        var mailboxes: [WeakMailbox] = []
        var isFinished = false
    }

    private struct WeakMailbox {
        weak var mailbox: HostEvents.Mailbox?
    }

    /// Events that wait for one subscriber; those beyond are counted and dropped.
    package static let backlog = 1_024

    private let state = Mutex(State())

    package init() {}

    package func subscribe() -> HostEvents {
        let mailbox = HostEvents.Mailbox(limit: Self.backlog)
        let isFinished = self.state.withLock { state in
            state.mailboxes.removeAll { $0.mailbox == nil }
            state.mailboxes.append(WeakMailbox(mailbox: mailbox))
            return state.isFinished
        }
        if isFinished { mailbox.finish() }
        return HostEvents(mailbox: mailbox)
    }

    package func post(_ event: HostEvent) {
        for mailbox in self.state.withLock({ $0.mailboxes }) { mailbox.mailbox?.post(event) }
    }

    package func finish() {
        let mailboxes = self.state.withLock { state in
            state.isFinished = true
            return state.mailboxes
        }
        for mailbox in mailboxes { mailbox.mailbox?.finish() }
    }
}
