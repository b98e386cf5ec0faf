import NIOCore

/// What is to happen at times to come, the earliest first; at the same time, in the order in which it was put here.
struct TimeQueue<Element> {
    private struct Entry {
        let deadline: NIODeadline
        let id: UInt64

        static func < (left: Entry, right: Entry) -> Bool { (left.deadline, left.id) < (right.deadline, right.id) }
    }

    /// So many entries without an element are not worth a sweep.
    private static var toleratedEntries: Int { 64 }

    /// A binary heap. Entries whose element was taken out stay until their time, or until they are the greater part.
    private var heap: [Entry] = []
    private var elements: [UInt64: Element] = [:]
    private var lastID: UInt64 = 0

    /// Elements that wait.
    var count: Int { self.elements.count }

    /// A name for an element to come.
    mutating func makeID() -> UInt64 {
        self.lastID += 1
        return self.lastID
    }

    mutating func insert(_ element: Element, id: UInt64, at deadline: NIODeadline) {
        self.elements[id] = element
        self.heap.append(Entry(deadline: deadline, id: id))
        self.siftUp(from: self.heap.count - 1)
    }

    /// Takes an element out before its time; nil when it is gone already.
    mutating func remove(_ id: UInt64) -> Element? {
        guard let element = self.elements.removeValue(forKey: id) else { return nil }
        if self.heap.count > Self.toleratedEntries, self.heap.count > 2 * self.elements.count {
            // What is sorted is a heap.
            self.heap = self.heap.filter { self.elements[$0.id] != nil }.sorted(by: <)
        }
        return element
    }

    /// When the next element's time comes.
    mutating func nextDeadline() -> NIODeadline? {
        while let first = self.heap.first {
            if self.elements[first.id] != nil { return first.deadline }
            self.popFirst()
        }
        return nil
    }

    /// Takes the next element whose time has come.
    mutating func pop(dueAt now: NIODeadline) -> Element? {
        guard let deadline = self.nextDeadline(), deadline <= now, let first = self.heap.first else { return nil }
        self.popFirst()
        return self.elements.removeValue(forKey: first.id)
    }

    /// Whether something is to happen exactly then.
    func contains(_ deadline: NIODeadline) -> Bool {
        self.heap.contains { $0.deadline == deadline && self.elements[$0.id] != nil }
    }

    // MARK: The heap

    private mutating func popFirst() {
        let last = self.heap.removeLast()
        guard !self.heap.isEmpty else { return }
        self.heap[0] = last
        self.siftDown()
    }

    private mutating func siftUp(from index: Int) {
        var index = index
        while index > 0 {
            let parent = (index - 1) / 2
            guard self.heap[index] < self.heap[parent] else { return }
            self.heap.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func siftDown() {
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < self.heap.count && self.heap[child] < self.heap[least] {
                least = child
            }
            guard least != index else { return }
            self.heap.swapAt(index, least)
            index = least
        }
    }
}
