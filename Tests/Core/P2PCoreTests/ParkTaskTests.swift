import Synchronization
import Testing

@testable import P2PCore

@Suite("Parking a task", .timeLimit(.minutes(1)))
struct ParkTaskTests {
    /// A fact that one task may wait for.
    private final class Fact: ParkingPlace {
        private struct State {
            var isThere = false
            var waiter: UnsafeContinuation<Void, Never>?
        }

        private let state = Mutex(State())
        let parked = Signal()
        let cancellations = Counter()

        var isAwaited: Bool { self.state.withLock { $0.waiter != nil } }

        func happen() {
            self.state.withLock { state in
                state.isThere = true
                return state.waiter.take()
            }?.resume()
        }

        typealias Ticket = @Sendable () -> Void

        func park(_ waiter: UnsafeContinuation<Void, Never>, _ before: Ticket) -> Bool {
            before()
            let isParked = self.state.withLock { state in
                if !state.isThere { state.waiter = waiter }
                return !state.isThere
            }
            self.parked.fire()
            return isParked
        }

        func unpark(_ before: Ticket) {
            self.cancellations.increment()
            self.state.withLock { $0.waiter.take() }?.resume()
        }

        /// - Parameter before: runs when the task is about to be parked.
        func wait(_ before: @escaping Ticket = {}) async { await parkTask(in: self, before) }
    }

    private let fact = Fact()

    @Test("What is there already is not waited for")
    func there() async {
        self.fact.happen()
        await self.fact.wait()
        #expect(self.fact.cancellations.value == 0)
    }

    @Test("The task goes on when the fact is there, not before")
    func woken() async {
        let journal = Journal<String>()
        let task = Task {
            await self.fact.wait()
            journal.note("woken")
        }
        await self.fact.parked.wait()
        #expect(self.fact.isAwaited)
        journal.note("happens")
        self.fact.happen()
        await task.value
        #expect(journal.entries == ["happens", "woken"])
        #expect(self.fact.cancellations.value == 0)
    }

    @Test("What happens just before the task is parked is seen")
    func justBefore() async {
        await self.fact.wait { self.fact.happen() }
        #expect(!self.fact.isAwaited)
    }

    @Test("A task that is cancelled while it is parked goes on, and nobody stays behind")
    func cancelled() async {
        let task = Task { await self.fact.wait() }
        await self.fact.parked.wait()
        task.cancel()
        await task.value
        #expect(!self.fact.isAwaited)
        self.fact.happen()
    }

    @Test("A task that was cancelled before does not stay parked")
    func cancelledBefore() async {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            await self.fact.wait()
        }
        await task.value
        #expect(!self.fact.isAwaited)
    }

    @Test("A cancellation between the handler and the parking is not lost")
    func cancelledBetween() async {
        let task = Task { await self.fact.wait { withUnsafeCurrentTask { $0?.cancel() } } }
        await task.value
        #expect(!self.fact.isAwaited)
        #expect(self.fact.cancellations.value == 2)
    }

    @Test("Wakers and cancellations that race resume each task once", arguments: 0..<20)
    func racing(round: Int) async {
        for _ in 0..<100 {
            let fact = Fact()
            let task = Task { await fact.wait() }
            await withDiscardingTaskGroup { group in
                group.addTask { fact.happen() }
                group.addTask { task.cancel() }
            }
            await task.value
            #expect(!fact.isAwaited)
        }
    }
}
