package import NIOCore

/// When the members of a line start, each a little later than the one before: few at their full distance, many so close together that
/// the last one starts in time, too.
package enum Stagger {
    /// - Parameters:
    ///   - base: when the first one starts.
    ///   - step: between two of them, where there is time for it.
    ///   - latest: when the last one starts at the latest, unless that is sooner than one step after the first.
    /// - Returns: a delay for each, in order. Those of the first half of the time keep the full step; the rest share the other half evenly.
    package static func delays(_ count: Int, from base: TimeAmount, by step: TimeAmount, until latest: TimeAmount) -> [TimeAmount] {
        let room = max(latest - base, step).nanoseconds
        let step = step.nanoseconds
        guard count > 1, step > room / Int64(count - 1) else {
            return (0..<max(0, count)).map { base + .nanoseconds(step * Int64($0)) }
        }
        let head = Int(room / 2 / step) + 1
        let start = step * Int64(head - 1)
        return (0..<count).map { index in
            let passed = index < head ? step * Int64(index) : start + (room - start) * Int64(index - head + 1) / Int64(count - head)
            return base + .nanoseconds(passed)
        }
    }
}
