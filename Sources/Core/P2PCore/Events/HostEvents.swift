import Synchronization

/// A subscription to what happens to a host: bounded, and honest about what it lost.
public struct HostEvents: AsyncSequence, Sendable {
    /// Each element is one thing that happened, in the order in which it did.
    public typealias Element = HostEvent
    /// The sequence ends without an error, when the host is gone.
    public typealias Failure = Never

    let mailbox: Mailbox

    /// Takes the events one by one; those that one iterator took, another does not get.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let mailbox: Mailbox

        /// Waits for the next one.
        public mutating func next() async -> HostEvent? { await self.mailbox.next() }
        /// Waits for the next one, on the caller's actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> HostEvent? { await self.mailbox.next() }
    }

    /// One consumer at a time: elements go to whoever asks first.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(mailbox: self.mailbox) }

    /// One subscriber's queue.
    final class Mailbox: Sendable {
        private let inbox: Inbox<HostEvent, Never>
        private let lost = Atomic<Int>(0)

        init(limit: Int) { self.inbox = Inbox(limit: limit) }

        func post(_ event: HostEvent) {
            if self.lost.load(ordering: .relaxed) > 0 || !self.inbox.offer(event) { self.lost.wrappingAdd(1, ordering: .relaxed) }
        }

        func finish() { self.inbox.finish(.success(())) }

        /// The newest are dropped until the subscriber knows, so what was lost is said after what waited.
        func next() async -> HostEvent? {
            if let event = self.inbox.poll() { return event }
            let lost = self.lost.exchange(0, ordering: .relaxed)
            if lost > 0 { return .lost(count: lost) }
            return await self.inbox.next()
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
