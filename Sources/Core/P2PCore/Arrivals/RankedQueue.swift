/// Keys in the order of their ranks, the least first, from which any key can be taken: a heap that knows where each of them is.
///
/// Everything but ``first`` takes a time that grows with the logarithm of the count.
package struct RankedQueue<Key: Hashable & Sendable, Rank: Comparable & Sendable>: Sendable {
    private var heap: [(key: Key, rank: Rank)] = []
    private var positions: [Key: Int] = [:]

    package init() {}

    package var count: Int { self.heap.count }
    package var isEmpty: Bool { self.heap.isEmpty }
    /// The key whose rank is the least.
    package var first: (key: Key, rank: Rank)? { self.heap.first }

    /// Adds a key, or gives one that is there another rank.
    package mutating func set(_ key: Key, to rank: Rank) {
        if let position = self.positions[key] {
            self.heap[position].rank = rank
            self.settle(position)
        } else {
            self.heap.append((key, rank))
            self.positions[key] = self.heap.count - 1
            self.settle(self.heap.count - 1)
        }
    }

    /// Takes a key out, if it is there.
    package mutating func remove(_ key: Key) {
        guard let position = self.positions.removeValue(forKey: key), let last = self.heap.popLast(), position < self.heap.count else {
            return
        }
        self.heap[position] = last
        self.positions[last.key] = position
        self.settle(position)
    }

    private mutating func settle(_ position: Int) {
        var position = position
        while position > 0, self.heap[position].rank < self.heap[(position - 1) / 2].rank {
            self.swap(position, (position - 1) / 2)
            position = (position - 1) / 2
        }
        while true {
            var least = position
            for child in (2 * position + 1)...(2 * position + 2) where child < self.heap.count {
                if self.heap[child].rank < self.heap[least].rank { least = child }
            }
            guard least != position else { return }
            self.swap(position, least)
            position = least
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        self.heap.swapAt(one, other)
        self.positions[self.heap[one].key] = one
        self.positions[self.heap[other].key] = other
    }
}
