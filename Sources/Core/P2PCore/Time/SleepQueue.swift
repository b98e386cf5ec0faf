package import NIOCore
import Synchronization

/// Tasks that wait for a time which most of them never see, because what they guard is done before.
///
/// `Task.sleep` keeps what a sleeper holds until its time has come, also when it was cancelled at once: a deadline of ten
/// seconds for each of thousands of arrivals would hold ten seconds' worth of them. Here one task sleeps for all, and a
/// sleeper that is cancelled leaves nothing behind. Lying down and leaving take a time that grows with the logarithm of their count.
package final class SleepQueue: ParkingPlace {
    /// A sleeper, by number, and its time. Of two whose time is the same, the one that came first is the first.
    package struct Entry: Sendable, Comparable {
        let deadline: NIODeadline
        let id: UInt64

        package static func < (left: Self, right: Self) -> Bool {
            left.deadline != right.deadline ? left.deadline < right.deadline : left.id < right.id
        }
    }

    private struct State {
        var lastID: UInt64 = 0
        var entries = RankedQueue<UInt64, Entry>()
        var sleepers: [UInt64: UnsafeContinuation<Void, Never>] = [:]
        /// When somebody looks next.
        var nextLook: NIODeadline?
        /// Every time at which somebody looks.
        var looks: Set<NIODeadline> = []
    }

    /// The one that everybody shares.
    package static let shared = SleepQueue()

    /// A hundred days: the clock behind `Task.sleep` overflows on the distant future.
    private static let longestSleep: Int64 = 100 * 24 * 3_600 * 1_000_000_000

    private let state = Mutex(State())

    package init() {}

    /// Tasks that look after sleepers.
    package var lookCount: Int { self.state.withLock { $0.looks.count } }

    /// Tasks that sleep now.
    package var count: Int { self.state.withLock { $0.sleepers.count } }

    /// Returns when the deadline has passed, or the task was cancelled.
    package func sleep(until deadline: NIODeadline) async {
        let id = self.state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await parkTask(in: self, Entry(deadline: deadline, id: id))
    }

    package func unpark(_ entry: Entry) {
        self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
            state.entries.remove(entry.id)
            return state.sleepers.removeValue(forKey: entry.id)
        }?.resume()
    }

    package func park(_ sleeper: UnsafeContinuation<Void, Never>, _ entry: Entry) -> Bool {
        let (isParked, mustLook) = self.state.withLock { state -> (Bool, Bool) in
            guard entry.deadline > .now() else { return (false, false) }
            state.sleepers[entry.id] = sleeper
            state.entries.set(entry.id, to: entry)
            if let next = state.nextLook, next <= entry.deadline { return (true, false) }
            state.nextLook = entry.deadline
            return (true, state.looks.insert(entry.deadline).inserted)
        }
        if mustLook { self.look(at: entry.deadline) }
        return isParked
    }

    /// Wakes whom it is time for, then and for as long as somebody sleeps.
    private func look(at deadline: NIODeadline) {
        Task.detached {
            var next: NIODeadline? = deadline
            while let deadline = next {
                try? await Task.sleep(for: .nanoseconds(min(max(0, (deadline - .now()).nanoseconds), Self.longestSleep)))
                next = self.wake(lookingFor: deadline)
            }
        }
    }

    /// Wakes whom it is time for; returns when to look again, or nil if nobody sleeps or somebody else looks earlier.
    private func wake(lookingFor own: NIODeadline) -> NIODeadline? {
        let (woken, next) = self.state.withLock { state -> ([UnsafeContinuation<Void, Never>], NIODeadline?) in
            let now = NIODeadline.now()
            state.looks.remove(own)
            var woken: [UnsafeContinuation<Void, Never>] = []
            while let first = state.entries.first, first.rank.deadline <= now {
                state.entries.remove(first.key)
                if let sleeper = state.sleepers.removeValue(forKey: first.key) { woken.append(sleeper) }
            }
            // One who was told to look earlier has taken this one's place.
            guard state.nextLook == own else { return (woken, nil) }
            state.nextLook = state.entries.first?.rank.deadline
            guard let next = state.nextLook, state.looks.insert(next).inserted else { return (woken, nil) }
            return (woken, next)
        }
        for sleeper in woken { sleeper.resume() }
        return next
    }
}
