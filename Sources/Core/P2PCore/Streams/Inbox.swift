package import NIOCore
import Synchronization

/// A bounded queue with one consumer: what arrives from outside waits here until a task takes it.
package final class Inbox<Element: Sendable, Failure: Error>: ParkingPlace {
    private struct State {
        var waiting = CircularBuffer<Element>(initialCapacity: 0)
        var consumers = Consumers()
        var ending: Result<Void, Failure>?

        mutating func takeConsumers() -> Consumers {
            defer { self.consumers = Consumers() }
            return self.consumers
        }
    }

    /// Whoever waits: one task, which costs no allocation, unless the one consumer was divided by mistake.
    private struct Consumers {
        private var first: UnsafeContinuation<Void, Never>?
        private var others: [UnsafeContinuation<Void, Never>] = []

        mutating func append(_ consumer: UnsafeContinuation<Void, Never>) {
            if self.first == nil { self.first = consumer } else { self.others.append(consumer) }
        }

        func resume() {
            self.first?.resume()
            for other in self.others { other.resume() }
        }
    }

    private let state = Mutex(State())
    /// Elements that may wait here.
    package let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    /// Adds an element; false when the queue is full or over, and the element is the caller's to refuse.
    package func offer(_ element: Element) -> Bool {
        let (isTaken, consumers) = self.state.withLock { state -> (Bool, Consumers) in
            guard state.ending == nil, state.waiting.count < self.limit else { return (false, Consumers()) }
            state.waiting.append(element)
            return (true, state.takeConsumers())
        }
        consumers.resume()
        return isTaken
    }

    /// No more will come: ``next()`` hands out what waits, then ends so.
    package func finish(_ ending: Result<Void, Failure>) {
        let consumers = self.state.withLock { state in
            if state.ending == nil { state.ending = ending }
            return state.takeConsumers()
        }
        consumers.resume()
    }

    /// Takes out everything that waits.
    package func takeAll() -> CircularBuffer<Element> {
        self.state.withLock { state in
            defer { state.waiting = CircularBuffer(initialCapacity: 0) }
            return state.waiting
        }
    }

    /// Takes an element if one waits.
    package func poll() -> Element? {
        self.state.withLock { $0.waiting.popFirst() }
    }

    /// Waits for an element; nil at the end, or when the task is cancelled.
    package func next() async throws(Failure) -> Element? {
        while !Task.isCancelled {
            let result = self.state.withLock { state -> Result<Element?, Failure>? in
                if let element = state.waiting.popFirst() { return .success(element) }
                return state.ending.map { ending in ending.map { nil } }
            }
            if let result { return try result.get() }
            await parkTask(in: self, ())
        }
        return nil
    }

    package func park(_ consumer: UnsafeContinuation<Void, Never>, _ ticket: Void) -> Bool {
        self.state.withLock { state in
            guard state.waiting.isEmpty, state.ending == nil else { return false }
            state.consumers.append(consumer)
            return true
        }
    }

    /// Wakes everybody: those that were not cancelled look, and wait again.
    package func unpark(_ ticket: Void) {
        self.state.withLock { $0.takeConsumers() }.resume()
    }
}
