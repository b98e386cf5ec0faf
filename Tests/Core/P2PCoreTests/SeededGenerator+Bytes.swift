import P2PTesting

extension SeededGenerator {
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
