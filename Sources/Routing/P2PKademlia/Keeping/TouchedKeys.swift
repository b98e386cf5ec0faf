/// Keys under which something has changed since somebody last looked.
///
/// A value. Bounded: beyond the limit, keys are let go of and what stands under them is kept as of an earlier moment, which costs a restart a few records.
struct TouchedKeys: Sendable {
    /// Nil where nobody looks.
    private var keys: Set<[UInt8]>?
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// From now on somebody looks.
    mutating func begin() { if self.keys == nil { self.keys = [] } }

    mutating func touch(_ key: [UInt8]) {
        guard let count = self.keys?.count, count < self.limit else { return }
        self.keys?.insert(key)
    }

    /// Takes some out.
    mutating func take(upTo count: Int) -> [[UInt8]] {
        guard let keys = self.keys, !keys.isEmpty else { return [] }
        let taken = Array(keys.prefix(count))
        self.keys?.subtract(taken)
        return taken
    }
}
