/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// Bytes that were made once, because making them is most of the work of a debug build.
    private static let pool: [UInt8] = {
        var random = SeededGenerator(seed: 0)
        return (0..<300_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }()

    mutating func bytes(upTo limit: Int) -> [UInt8] {
        let count = Int.random(in: 0...min(limit, Self.pool.count / 2), using: &self)
        let start = Int.random(in: 0...(Self.pool.count - count), using: &self)
        return Array(Self.pool[start..<(start + count)])
    }
}
