/// The streams of one connection as its driver finds them: by slot, by id, and in the two lines in which they stand. No lock, no loop.
///
/// A stream has a slot from its birth and an id once it is open. Whoever has something to write stands in the ready line, whoever the
/// session has no room for in the waiting line: each once, and never in both. The lines run through the slots, so they take no memory
/// of their own, and a stream that is removed leaves nothing behind in them.
///
/// Inlinable, so that each driver gets it for its own kind of id, and public because what is only the package's is not compiled for them: each
/// call would look for its types at run time, and a stream took twice as long.
public struct StreamTable<ID: Hashable, Stream: AnyObject> {
    @usableFromInline enum Line { case none, ready, waiting }

    @usableFromInline struct Slot {
        @usableFromInline var stream: Stream?
        @usableFromInline var id: ID?
        @usableFromInline var line = Line.none
        /// Who stands before it in its line, and who behind; -1 for nobody.
        @usableFromInline var before: Int32 = -1
        @usableFromInline var after: Int32 = -1

        @inlinable init() {}
    }

    @usableFromInline struct Ends {
        @usableFromInline var first: Int32 = -1
        @usableFromInline var last: Int32 = -1

        @inlinable init() {}
    }

    @usableFromInline var slots: [Slot] = []
    @usableFromInline var ids: [ID: Int] = [:]
    @usableFromInline var ready = Ends()
    @usableFromInline var waiting = Ends()
    @usableFromInline var occupied = 0

    /// Without any stream.
    @inlinable public init() {}

    // MARK: Who is there

    /// Streams that are there, with an id or without.
    @inlinable public var count: Int { self.occupied }
    /// Streams that have an id.
    @inlinable public var openCount: Int { self.ids.count }
    /// Whether no stream is there.
    @inlinable public var isEmpty: Bool { self.occupied == 0 }

    /// The stream of that id.
    @inlinable public subscript(id: ID) -> Stream? { self.ids[id].flatMap { self.slots[$0].stream } }

    /// Where the stream of that id is.
    @inlinable public func slot(of id: ID) -> Int? { self.ids[id] }

    /// The stream in that slot, if one is there.
    @inlinable public func stream(at slot: Int) -> Stream? { self.slots.indices.contains(slot) ? self.slots[slot].stream : nil }

    /// The id of the stream in that slot; nil before it has one.
    @inlinable public func id(at slot: Int) -> ID? { self.slots.indices.contains(slot) ? self.slots[slot].id : nil }

    /// The streams that have an id, in no order.
    @inlinable public var opened: some Sequence<(id: ID, stream: Stream)> {
        self.slots.lazy.compactMap { slot -> (id: ID, stream: Stream)? in
            guard let id = slot.id, let stream = slot.stream else { return nil }
            return (id, stream)
        }
    }

    // MARK: Coming and going

    /// A stream is there from now on. One that the peer opened has its id already.
    @inlinable public mutating func insert(_ stream: Stream, at slot: Int, id: ID? = nil) {
        while self.slots.count <= slot { self.slots.append(Slot()) }
        assert(self.slots[slot].stream == nil, "two streams in one slot")
        self.slots[slot].stream = stream
        self.occupied += 1
        if let id { self.open(slot, as: id) }
    }

    /// The stream in that slot gets its id, and waits for none.
    @inlinable public mutating func open(_ slot: Int, as id: ID) {
        guard self.stream(at: slot) != nil else { return }
        if self.slots[slot].line == .waiting { self.leaveLine(slot) }
        self.slots[slot].id = id
        self.ids[id] = slot
    }

    /// Forgets the stream in that slot. Nil when none is there.
    @discardableResult
    @inlinable public mutating func remove(at slot: Int) -> Stream? {
        guard let stream = self.stream(at: slot) else { return nil }
        self.leaveLine(slot)
        if let id = self.slots[slot].id { self.ids[id] = nil }
        self.slots[slot] = Slot()
        self.occupied -= 1
        return stream
    }

    /// Forgets the stream of that id, and says where it was. Nil when there is none.
    @inlinable public mutating func remove(_ id: ID) -> Int? {
        guard let slot = self.ids[id] else { return nil }
        self.remove(at: slot)
        return slot
    }

    /// Forgets every stream.
    @inlinable public mutating func removeAll() -> [Stream] {
        let streams = self.slots.compactMap { $0.stream }
        self = StreamTable()
        return streams
    }

    // MARK: Readiness

    /// Whose turn it is.
    @inlinable public var firstReady: Int? { self.ready.first < 0 ? nil : Int(self.ready.first) }
    /// Who is to open next.
    @inlinable public var firstWaiting: Int? { self.waiting.first < 0 ? nil : Int(self.waiting.first) }

    /// Whether the stream in that slot stands in the ready line.
    @inlinable public func isReady(_ slot: Int) -> Bool { self.slots.indices.contains(slot) && self.slots[slot].line == .ready }

    /// Puts a stream at the end of the ready line, unless it stands in a line.
    @inlinable public mutating func makeReady(_ slot: Int) {
        guard self.stream(at: slot) != nil, self.slots[slot].line == .none else { return }
        self.join(.ready, slot)
    }

    /// Puts a stream at the end of the waiting line, unless it stands there.
    @inlinable public mutating func wait(_ slot: Int) {
        guard self.stream(at: slot) != nil, self.slots[slot].line != .waiting else { return }
        self.leaveLine(slot)
        self.join(.waiting, slot)
    }

    /// Takes out the first of the ready line.
    @inlinable public mutating func takeReady() -> Int? {
        guard let slot = self.firstReady else { return nil }
        self.leaveLine(slot)
        return slot
    }

    /// The first of the waiting line may try again: it goes to the end of the ready line.
    @inlinable public mutating func admitOne() {
        guard let slot = self.firstWaiting else { return }
        self.leaveLine(slot)
        self.makeReady(slot)
    }

    /// Takes a stream out of the line in which it stands.
    @inlinable public mutating func leaveLine(_ slot: Int) {
        let line = self.slots[slot].line
        if line != .none { self.unlink(line, slot) }
    }

    /// The ready streams in their order, until `body` returns false.
    @inlinable public func forEachReady(_ body: (Stream) -> Bool) {
        var next = self.ready.first
        while next >= 0 {
            guard let stream = self.slots[Int(next)].stream, body(stream) else { return }
            next = self.slots[Int(next)].after
        }
    }

    // MARK: Private

    @inlinable subscript(ends line: Line) -> Ends {
        get { line == .ready ? self.ready : self.waiting }
        set { if line == .ready { self.ready = newValue } else { self.waiting = newValue } }
    }

    @inlinable mutating func join(_ line: Line, _ slot: Int) {
        let last = self[ends: line].last
        self.slots[slot].line = line
        self.slots[slot].before = last
        if last >= 0 { self.slots[Int(last)].after = Int32(slot) } else { self[ends: line].first = Int32(slot) }
        self[ends: line].last = Int32(slot)
    }

    @inlinable mutating func unlink(_ line: Line, _ slot: Int) {
        let (before, after) = (self.slots[slot].before, self.slots[slot].after)
        if before >= 0 { self.slots[Int(before)].after = after } else { self[ends: line].first = after }
        if after >= 0 { self.slots[Int(after)].before = before } else { self[ends: line].last = before }
        self.slots[slot].line = .none
        self.slots[slot].before = -1
        self.slots[slot].after = -1
    }
}
