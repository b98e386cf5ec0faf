/// What one direction of a circuit may still carry.
struct CircuitAllowance: Hashable {
    private let limit: UInt64?
    /// Bytes that have passed.
    private(set) var passed: UInt64 = 0

    init(_ limit: UInt64?) { self.limit = limit }

    /// How much may pass now; zero once the limit is reached.
    func room(upTo most: Int) -> Int {
        guard let limit else { return most }
        return min(most, Int(clamping: limit - min(limit, self.passed)))
    }

    mutating func pass(_ count: Int) { self.passed &+= UInt64(count) }
}
