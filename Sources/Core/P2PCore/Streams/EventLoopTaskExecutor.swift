public import NIOCore
import Synchronization

/// Something to be called on an event loop, in its turn.
package protocol LoopWork: AnyObject, Sendable {
    func runOnLoop()
}

/// Runs tasks on an event loop, so that a handler shares its connection's thread and no byte changes threads.
///
/// Jobs are gathered: many cost one wake-up of the loop, and a muxer that has just delivered bytes runs them at once
/// with `runPending()` (a 32-byte round trip takes half the time that way). Between so many bytes, or so much time, the loop looks at
/// its sockets: whatever can go on for ever, handlers and the connections that write for them, waits in this one line.
public final class EventLoopTaskExecutor: TaskExecutor {
    private enum Work {
        case job(UnownedJob)
        case call(any LoopWork)
    }

    private struct State {
        var line = CircularBuffer<Work>(initialCapacity: 32)
        var isScheduled = false
    }

    private let eventLoop: any EventLoop
    private let state = Mutex(State())
    // Confined to the event loop, and nothing comes in between while one of them changes (Specs/Architecture.md, "The data path").
    /// What was taken from the line at once, and runs before the rest of it.
    @exclusivity(unchecked) private nonisolated(unsafe) var taken = CircularBuffer<Work>(initialCapacity: 32)
    /// A job must not run inside another.
    @exclusivity(unchecked) private nonisolated(unsafe) var isRunning = false
    @exclusivity(unchecked) private nonisolated(unsafe) var turn = LoopTurn()

    /// How long the loop has nothing of ours to do between two turns, at least and at most: long enough that NIO polls first.
    static let pauses = TimeAmount.microseconds(5)...TimeAmount.microseconds(500)
    /// The pause in rounds of the loop without anything to do.
    private static let pauseInRounds: Int64 = 4

    /// An executor over one event loop; share it among the loop's connections.
    public init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Takes a job from the concurrency runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        self.append(.job(UnownedJob(job)))
    }

    /// Calls `work` on the event loop, behind what waits already.
    package func enqueue(_ work: any LoopWork) {
        self.append(.call(work))
    }

    private func append(_ work: Work) {
        let mustSchedule = self.state.withLock { state in
            state.line.append(work)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustSchedule { self.eventLoop.execute { self.runScheduled() } }
    }

    /// Itself, as the runtime wants it.
    public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        UnownedTaskExecutor(ordinary: self)
    }

    /// Whether the loop has to look at its sockets before more is written. On the event loop.
    package var isTurnOver: Bool { self.turn.isOver }

    /// So many bytes were written. On the event loop.
    package func spend(bytes: Int) {
        self.turn.spend(bytes: bytes)
    }

    /// Runs what waits, as far as the turn goes. On the event loop, for an event of a socket.
    package func runPending() {
        self.turn.enter(.events)
        self.run()
    }

    private func run() {
        guard !self.isRunning else { return }
        self.isRunning = true
        defer { self.isRunning = false }
        while !self.turn.isOver, let work = self.next() {
            if self.turn.count() { self.turn.look(at: self.eventLoop.now) }
            switch work {
            case .job(let job): job.runSynchronously(on: self.asUnownedTaskExecutor())
            case .call(let call): call.runOnLoop()
            }
        }
    }

    private func next() -> Work? {
        if self.taken.isEmpty { self.state.withLock { swap(&$0.line, &self.taken) } }
        return self.taken.popFirst()
    }

    private func runScheduled() {
        self.turn.enter(.tasks)
        self.run()
        let isMore = self.state.withLock { state in
            state.isScheduled = !self.taken.isEmpty || !state.line.isEmpty
            return state.isScheduled
        }
        guard isMore else { return }
        if self.turn.isOver { self.rest() } else { self.eventLoop.execute { self.runScheduled() } }
    }

    /// The next turn comes when the loop has polled.
    ///
    /// A loop polls when nothing is due, so the next turn is due a little later than the loop takes for a round without work, which is
    /// measured first: a debug build takes thirty times as long as another. Where something else takes the loop longer, it polls a turn
    /// later: that is finite, since nothing of ours is done meanwhile.
    private func rest() {
        let asked = self.eventLoop.now
        self.eventLoop.execute {
            let now = self.eventLoop.now
            let pause = min(max(Self.pauses.lowerBound, (now - asked) * Self.pauseInRounds), Self.pauses.upperBound)
            self.eventLoop.scheduleTask(deadline: now + pause) {
                self.turn.begin(.tasks)
                self.runScheduled()
            }
        }
    }
}

/// One executor for each event loop, however many connections share it.
package final class EventLoopTaskExecutors: Sendable {
    private let executors = Mutex<[ObjectIdentifier: EventLoopTaskExecutor]>([:])

    package init() {}

    package func executor(for eventLoop: any EventLoop) -> EventLoopTaskExecutor {
        self.executors.withLock { executors in
            if let executor = executors[ObjectIdentifier(eventLoop)] { return executor }
            let executor = EventLoopTaskExecutor(eventLoop)
            executors[ObjectIdentifier(eventLoop)] = executor
            return executor
        }
    }
}
