/// How many servers a network has, as the distances of the nearest to places that were looked up say: with n of them, the i-th nearest lies at i/n of the key
/// space on average.
///
/// A value. Bounded; the median counts, so that whoever crowds around a few places moves it little.
package struct NetworkSize: Sendable {
    /// Look-ups that it remembers; the oldest are forgotten first.
    package static let samples = 64
    /// Look-ups that it needs to say anything.
    package static let samplesNeeded = 5
    /// How much nearer than expected the farthest of twenty may be: by chance, it is so for one place of 20,000.
    package static let crowding = 0.35

    private var sizes: [Double] = []
    private var next = 0

    package init() {}

    /// The estimate; nil while too little is known.
    package var estimate: Double? {
        guard self.sizes.count >= Self.samplesNeeded else { return nil }
        return self.sizes.sorted()[self.sizes.count / 2]
    }

    /// Takes in a look-up.
    ///
    /// - Parameter farthest: how far the last of the nearest is, as a part of the key space.
    /// - Parameter count: how many those are.
    package mutating func note(farthest: Double, of count: Int) {
        guard farthest > 0, count > 0 else { return }
        let size = Double(count) / farthest
        if self.sizes.count < Self.samples {
            self.sizes.append(size)
        } else {
            self.sizes[self.next] = size
            self.next = (self.next + 1) % Self.samples
        }
    }

    /// How far the last of so many should be; nil while too little is known.
    package func expectedDistance(of count: Int) -> Double? { self.estimate.map { min(1, Double(count) / $0) } }

    /// Whether so many peers crowd around a place: somebody may have made their ids for it, to keep others from what is stored there.
    package func isCrowded(farthest: Double, of count: Int) -> Bool {
        guard let expected = self.expectedDistance(of: count) else { return false }
        return farthest < expected * Self.crowding
    }
}
