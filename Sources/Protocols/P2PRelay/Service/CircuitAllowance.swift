/// What one direction of a circuit may still carry.
package struct CircuitAllowance: Hashable {
    private let limit: UInt64?
    /// Bytes that have passed.
    package private(set) var passed: UInt64 = 0

    package init(_ limit: UInt64?) { self.limit = limit }

    /// How much may pass now; zero once the limit is reached.
    package func room(upTo most: Int) -> Int {
        guard let limit else { return most }
        return min(most, Int(clamping: limit - min(limit, self.passed)))
    }

    package mutating func pass(_ count: Int) { self.passed &+= UInt64(count) }
}
