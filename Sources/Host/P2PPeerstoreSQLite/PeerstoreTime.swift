#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Where a store's time comes from, in seconds.
package struct PeerstoreTime: Sendable {
    /// Since 1970, as the machine's clock has it. Somebody may set that clock, and some machines start in 1970.
    let wall: @Sendable () -> Int64
    /// Since some moment, and never set; goes on while the machine sleeps.
    let steady: @Sendable () -> Int64

    package init(wall: @escaping @Sendable () -> Int64, steady: @escaping @Sendable () -> Int64) {
        self.wall = wall
        self.steady = steady
    }

    private static let start = ContinuousClock.now

    static let system = PeerstoreTime(
        wall: { Int64(Date().timeIntervalSince1970) }, steady: { (ContinuousClock.now - Self.start).components.seconds })
}

/// The age of a file, by which what it holds expires: like the time of day when it was made, and older by what has passed since.
///
/// While the file is open only real time counts, however the clock is set; what it says counts for the time between, within a bound. So a clock
/// that is years ahead, once or at each start, costs days and not everything, and one that is years behind keeps nothing for ever. A value.
struct PeerstoreAge: Sendable {
    /// What the time between two runs may count for at most, in seconds.
    static let longestGap: Int64 = 7 * 24 * 3_600
    /// How old what is written down may be, in seconds.
    private static let precision: Int64 = 60
    /// Beyond lies no time that a clock ever had.
    private static let plausible: ClosedRange<Int64> = 0...(1 << 40)

    private let base: Int64
    private let opened: Int64
    private var kept: Int64?

    /// - Parameters:
    ///   - kept: what the file has: its age, and what the clock said then; nil for a new one.
    ///   - wall: what the clock says now.
    ///   - steady: time that nobody sets, now.
    init(kept: (age: Int64, wall: Int64)?, wall: Int64, steady: Int64) {
        self.opened = steady
        guard let kept, Self.plausible.contains(kept.age), Self.plausible.contains(kept.wall) else {
            self.base = Self.plausible.contains(wall) ? wall : 0
            return
        }
        self.base = kept.age + min(max(wall - kept.wall, 0), Self.longestGap)
    }

    func now(steady: Int64) -> Int64 { self.base + max(0, steady - self.opened) }

    /// Whether the age has to be written down again.
    func isDue(_ now: Int64) -> Bool { self.kept.map { now - $0 >= Self.precision } ?? true }

    mutating func wasKept(_ now: Int64) { self.kept = now }
}
