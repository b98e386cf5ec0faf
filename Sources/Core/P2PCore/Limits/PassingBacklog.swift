package import NIOCore
import Synchronization

/// What waits in streams whose readers pass everything on, as a relay's circuits do, all of a host together, and so how far their windows may grow.
///
/// Such a window is not for one stream to judge: once many are busy its round trip is mostly the host's own queues, so each would grow to whatever the others
/// leave waiting, and none would be the faster for it. So what waits is to stay below a ``limit``, and no stream is to have more of it than is left (dynamic
/// thresholds, Choudhury and Hahne 1998): one alone may have half, many have little each, and whoever has more than is left gets a smaller window. What a far
/// peer has under way waits nowhere here, and a burst of one alone is well below what is left. Who was idle for a ``period`` or two counts no more.
package final class PassingBacklog: Sendable {
    /// How long a share counts at least after it was said.
    package static let period = TimeAmount.seconds(10)

    /// No window grows by less where something is left, in bytes.
    package static let leastGrowth = 16 * 1_024
    /// Whoever takes the bytes is quick where no more waits than this part of the window.
    package static let quick = 16

    /// What one stream has of it.
    package struct Share: Sendable, Hashable {
        /// What waits in it: half what it said last, half what it said before, and so on.
        package fileprivate(set) var waiting = 0
        /// Its window can't be any narrower, so that what waits is none of what the others share.
        fileprivate var isNarrowest = false
        fileprivate var excess: Int { self.isNarrowest ? 0 : self.waiting }
        /// By what its window has grown since it said so.
        fileprivate var grown = 0
        fileprivate var period: UInt64 = 0

        package init() {}

        /// Whether next to nothing waits, of a window of so many bytes: then what waits in others is no reason to make it smaller than the protocol's.
        package func isQuick(_ window: UInt32) -> Bool { self.waiting <= Int(window) / PassingBacklog.quick }
    }

    private struct Sum {
        var excess = 0
        var grown = 0

        static func += (sum: inout Sum, share: Share) {
            sum.excess += share.excess
            sum.grown += share.grown
        }

        static func -= (sum: inout Sum, share: Share) {
            sum.excess -= share.excess
            sum.grown -= share.grown
        }
    }

    private struct State {
        var period: UInt64 = 0
        /// Of shares that were said in this period.
        var current = Sum()
        /// Of shares that were said in the last one, and not again.
        var previous = Sum()

        var excess: Int { self.current.excess + self.previous.excess }
        var grown: Int { self.current.grown + self.previous.grown }

        /// Loops' clocks may differ by a little.
        mutating func advance(to period: UInt64) {
            guard period > self.period else { return }
            self.previous = period == self.period + 1 ? self.current : Sum()
            self.current = Sum()
            self.period = period
        }

        mutating func remove(_ share: Share) {
            if share.period == self.period { self.current -= share } else if share.period + 1 == self.period { self.previous -= share }
        }

        mutating func change(_ share: inout Share, _ change: (inout Share) -> Void) {
            self.remove(share)
            change(&share)
            share.period = self.period
            self.current += share
        }
    }

    /// What is to wait at most in streams whose windows are not the narrowest, in bytes. What the protocol lets peers send at first may be beyond it.
    package let limit: Int
    private let state = Mutex(State())

    package init(limit: Int) {
        self.limit = max(0, limit)
    }

    /// Bytes that count now: what waits in streams whose windows are not the narrowest, and what windows have grown by.
    package var use: Int { self.state.withLock { $0.excess + $0.grown } }

    /// In a stream so many bytes wait now. That counts until it says more.
    ///
    /// - Parameter isNarrowest: its window can't be any narrower: then nothing counts, so that a crowd that is slow takes nothing from others.
    /// - Returns: by how many more count in it than are left beside what counts in all; 0 or less where none are too many.
    package func report(waiting bytes: Int, of share: inout Share, isNarrowest: Bool = false, at now: NIODeadline) -> Int {
        self.state.withLock { state in
            state.advance(to: Self.period(of: now))
            state.change(&share) { ($0.waiting, $0.grown, $0.isNarrowest) = (($0.waiting + bytes) / 2, 0, isNarrowest) }
            return share.excess - max(0, self.limit - state.excess)
        }
    }

    /// The window of a stream is to grow by `bytes`: by how many it may. They count as if they waited, for others that are to grow, until the stream says what
    /// does wait. At most half of what is left beyond as much as waits in it, so that the next finds something, too, and nothing where that is less than ``leastGrowth``.
    package func grow(_ share: inout Share, by bytes: Int, at now: NIODeadline) -> Int {
        self.state.withLock { state in
            state.advance(to: Self.period(of: now))
            let most = (self.limit - state.excess - state.grown - share.waiting) / 2
            guard most >= Self.leastGrowth else { return 0 }
            let granted = min(bytes, most)
            state.change(&share) { ($0.grown, $0.isNarrowest) = ($0.grown + granted, false) }
            return granted
        }
    }

    /// A window did not grow after all.
    package func giveBack(_ bytes: Int, of share: inout Share) {
        self.state.withLock { state in
            state.change(&share) { $0.grown = max(0, $0.grown - bytes) }
        }
    }

    /// A stream is over.
    package func forget(_ share: Share) {
        guard share.excess + share.grown > 0 else { return }
        self.state.withLock { $0.remove(share) }
    }

    private static func period(of now: NIODeadline) -> UInt64 { now.uptimeNanoseconds / UInt64(Self.period.nanoseconds) }
}
