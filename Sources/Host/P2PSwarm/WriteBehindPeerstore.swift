package import Logging
package import NIOCore
package import P2PCore
import Synchronization

/// The peerstore of a host, written behind everybody's back: a slow disk holds up no dial, no connection and no shutdown.
///
/// What the host learns is written in the order in which it was learnt. Whoever reads, or writes for the application, waits until that is
/// done, but no longer than ``patience``.
package final class WriteBehindPeerstore: Sendable {
    /// A change, which may take its time.
    package typealias Change = @Sendable (any Peerstore) async -> Void

    /// Changes that wait to be made; those beyond are lost. Twice the connections that a host has by default, which may all end at once.
    package static let limit = 8_192
    /// How long somebody waits for changes that were there before.
    package static let patience = Duration.seconds(1)
    /// How long the end of a host waits for the last changes.
    package static let finishingTime = Duration.seconds(5)

    private enum Step {
        case change(Change)
        /// Fires when everything before it is done.
        case mark(Signal)
    }

    private struct State {
        var steps = CircularBuffer<Step>()
        var changes = 0
        var lost = 0
        var isWriting = false
        var isFinished = false
        /// The mark at the end of the steps, for all that come to wait before the next change.
        var lastMark: Signal?
    }

    let store: any Peerstore
    private let clock: HostClock
    private let logger: Logger
    private let state = Mutex(State())

    package init(_ store: any Peerstore, clock: HostClock, logger: Logger) {
        self.store = store
        self.clock = clock
        self.logger = logger
    }

    /// Changes that wait to be made; the one that is being made is none of them.
    var waiting: Int { self.state.withLock { $0.changes } }
    /// Those who wait for the changes before them, put together.
    var marks: Int { self.state.withLock { $0.steps.count - $0.changes } }

    /// Has a change made after those before it; does not wait. Beyond ``limit``, and after ``finish()``, it is lost.
    package func later(_ change: @escaping Change) {
        let (isFirstLost, isIdle) = self.state.withLock { state in
            guard !state.isFinished else { return (false, false) }
            guard state.changes < Self.limit else {
                state.lost += 1
                return (state.lost == 1, false)
            }
            state.steps.append(.change(change))
            state.changes += 1
            state.lastMark = nil
            defer { state.isWriting = true }
            return (false, !state.isWriting)
        }
        if isFirstLost { self.logger.warning("the peerstore is too slow: \(Self.limit) changes wait, and what is learnt now is lost") }
        // Nobody's child, so that nobody's end has to wait for a disk that hangs.
        if isIdle { Task(executorPreference: self.clock.executor) { await self.write() } }
    }

    private func write() async {
        while let step = self.next() {
            switch step {
            case .change(let change): await change(self.store)
            case .mark(let signal): signal.fire()
            }
        }
    }

    private func next() -> Step? {
        self.state.withLock { state in
            guard let step = state.steps.popFirst() else {
                state.isWriting = false
                state.lost = 0
                return nil
            }
            switch step {
            case .change: state.changes -= 1
            case .mark: if state.steps.isEmpty { state.lastMark = nil }
            }
            return step
        }
    }

    /// Returns when the changes so far are made, at the latest after ``patience``, and when the task is cancelled.
    package func settled() async {
        await self.settled(by: self.clock.now().advanced(by: Self.patience))
    }

    private func settled(by deadline: NIODeadline) async {
        let mark = self.state.withLock { state -> Signal? in
            guard state.isWriting, !state.isFinished else { return nil }
            if let mark = state.lastMark { return mark }
            let mark = Signal()
            state.steps.append(.mark(mark))
            state.lastMark = mark
            return mark
        }
        guard let mark else { return }
        _ = await self.clock.result(by: deadline) { await mark.wait() }
    }

    /// What the store answers, or nil when that comes after the deadline.
    package func read<Value: Sendable>(
        by deadline: NIODeadline, _ body: @escaping @Sendable (any Peerstore) async -> Value
    ) async -> Value? {
        await self.settled(by: min(deadline, self.clock.now().advanced(by: Self.patience)))
        return await self.clock.result(by: deadline, late: { _ in }, of: { await body(self.store) })
    }

    /// Returns when the last changes are made, at the latest after ``finishingTime``; those that are left then are lost. The cancellation
    /// of the task cuts nothing short: it may be that of the host, which has just learnt how its connections ended.
    package func finish() async {
        await Task(executorPreference: self.clock.executor) { await self.settled(by: self.clock.now().advanced(by: Self.finishingTime)) }
            .value
        let (left, mark) = self.state.withLock { state in
            state.isFinished = true
            state.steps.removeAll()
            defer { (state.changes, state.lastMark) = (0, nil) }
            return (state.changes, state.lastMark)
        }
        mark?.fire()
        if left > 0 { self.logger.warning("the peerstore was too slow: \(left) changes were lost at the end") }
    }
}
