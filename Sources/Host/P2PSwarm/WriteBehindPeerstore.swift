package import Logging
package import NIOCore
package import P2PCore
import P2PIdentity
import Synchronization

/// The peerstore of a host, written behind everybody's back: a slow disk holds up no dial, no connection and no shutdown.
///
/// What the host learns of one peer is put together until it is written, and many peers are written at once. Whoever reads, or writes for
/// the application, waits until what was learnt before is written, but no longer than ``patience``.
package final class WriteBehindPeerstore: Sendable {
    /// Peers of whom something waits to be written; what is learnt of others is lost. Twice the connections that a host has by default,
    /// which may all end at once.
    package static let limit = 8_192
    /// Bytes that those may take up, roughly; a host's limit for what it keeps (`memoryKept`) counts besides.
    static let byteLimit = 16 * 1_024 * 1_024
    /// Peers that are written at once: enough to share the cost of a transaction, and few enough that whoever reads waits not long.
    package static let batch = 256
    /// How long somebody waits for changes that were there before.
    package static let patience = Duration.seconds(1)
    /// How long the end of a host waits for the last changes.
    package static let finishingTime = Duration.seconds(5)

    private enum Step {
        /// What has become known of the peer.
        case change(PeerID)
        /// Fires when everything before it is done.
        case mark(Signal)
    }

    private struct State {
        var steps = CircularBuffer<Step>()
        var changes: [PeerID: PeerChange] = [:]
        /// What the changes take up.
        var heldBytes = 0
        var lost = 0
        var isWriting = false
        var isFinished = false
        /// The mark at the end of the steps, for all that come to wait before the next change.
        var lastMark: Signal?
    }

    /// What the writer does next.
    private struct Work {
        var changes: [PeerChange] = []
        /// Fire when that is done.
        var marks: [Signal] = []
    }

    let store: any Peerstore
    /// The store, if it needs nobody who writes behind: what is learnt is in it at once.
    private let memory: MemoryPeerstore?
    private let clock: HostClock
    private let held: HeldMemory
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameter held: what is remembered in memory, or waits, counts there.
    package init(_ store: any Peerstore, clock: HostClock, memory held: HeldMemory = HeldMemory(.none), logger: Logger) {
        self.store = store
        self.memory = store as? MemoryPeerstore
        self.clock = clock
        self.held = held
        self.logger = logger
        self.memory?.count(in: held)
    }

    deinit {
        self.held.keep(-self.state.withLock { $0.heldBytes })
    }

    /// Peers of whom something waits to be written; what is being written is none of it.
    package var waiting: Int { self.state.withLock { $0.changes.count } }
    /// Those who wait for the changes before them, put together.
    var marks: Int { self.state.withLock { $0.steps.count - $0.changes.count } }

    /// Has a change written with those before it; does not wait. A change of one more peer than ``limit``, and any after ``finish()``, is lost.
    package func later(_ change: PeerChange) {
        if let memory = self.memory {
            if !self.state.withLock(\.isFinished) { memory.store([change]) }
            return
        }
        let (isFirstLost, isIdle) = self.state.withLock { state in
            guard !state.isFinished else { return (false, false) }
            // With its place in the line: whoever waits for what was there before waits for this as well, or did not know of it.
            let hasRoom = state.heldBytes < Self.byteLimit && !self.held.keepsTooMuch
            let size = state.changes[change.peer]?.heldBytes
            // That a peer was seen takes no room with what waits already.
            guard hasRoom && (size != nil || state.changes.count < Self.limit) || size != nil && change.heldBytes <= PeerSizes.peer else {
                state.lost += 1
                self.held.forgot()
                return (state.lost == 1, false)
            }
            if let size {
                state.changes[change.peer]?.merge(change)
                self.count((state.changes[change.peer]?.heldBytes ?? 0) - size, in: &state)
                return (false, false)
            }
            state.changes[change.peer] = change
            self.count(change.heldBytes, in: &state)
            state.steps.append(.change(change.peer))
            state.lastMark = nil
            defer { state.isWriting = true }
            return (false, !state.isWriting)
        }
        if isFirstLost {
            self.logger.warning(
                "the peerstore is too slow: as many changes wait as may (memoryKept), and what is learnt now is lost",
                metadata: ["peers": "\(self.waiting)"])
        }
        // Nobody's child, so that nobody's end has to wait for a disk that hangs.
        if isIdle { Task(executorPreference: self.clock.executor) { await self.write() } }
    }

    private func count(_ change: Int, in state: inout State) {
        state.heldBytes += change
        self.held.keep(change)
    }

    private func write() async {
        while let work = self.next() {
            if !work.changes.isEmpty { await self.store.apply(work.changes) }
            for mark in work.marks { mark.fire() }
        }
    }

    /// Marks do not end a batch: whoever waits for what is before them waits for what is behind as well.
    private func next() -> Work? {
        self.state.withLock { state in
            var work = Work()
            while work.changes.count < Self.batch, let step = state.steps.popFirst() {
                switch step {
                case .change(let peer):
                    if let change = state.changes.removeValue(forKey: peer) {
                        self.count(-change.heldBytes, in: &state)
                        work.changes.append(change)
                    }
                case .mark(let signal):
                    work.marks.append(signal)
                }
            }
            if state.steps.isEmpty { state.lastMark = nil }
            guard work.changes.isEmpty, work.marks.isEmpty else { return work }
            state.isWriting = false
            state.lost = 0
            return nil
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
            self.count(-state.heldBytes, in: &state)
            defer { (state.changes, state.lastMark) = ([:], nil) }
            let left = state.changes.count
            state.steps.removeAll()
            return (left, state.lastMark)
        }
        mark?.fire()
        if left > 0 { self.logger.warning("the peerstore was too slow: what was learnt of \(left) peers was lost at the end") }
    }
}
