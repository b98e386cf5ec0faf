import P2PTesting
import Testing

@testable import P2PMuxing

@Suite("A table of streams")
struct StreamTableTests {
    /// Stands for a stream.
    private final class Stream {
        let name: Int

        init(_ name: Int) { self.name = name }
    }

    private typealias Table = StreamTable<UInt32, Stream>

    private static func ready(_ table: Table) -> [Int] {
        var names: [Int] = []
        table.forEachReady {
            names.append($0.name)
            return true
        }
        return names
    }

    @Test("A stream is found by its slot at once, and by its id once it is open")
    func isFound() {
        var table = Table()
        let stream = Stream(7)
        table.insert(stream, at: 2)
        #expect(table.stream(at: 2) === stream && table.id(at: 2) == nil && table[9] == nil)
        #expect([table.count, table.openCount] == [1, 0])
        table.open(2, as: 9)
        #expect(table[9] === stream && table.id(at: 2) == 9 && table.slot(of: 9) == 2)
        #expect([table.count, table.openCount] == [1, 1])
        #expect(table.opened.map(\.id) == [9])
        #expect(table.remove(9) == 2)
        #expect(table.isEmpty && table[9] == nil && table.stream(at: 2) == nil && table.id(at: 2) == nil)
        #expect(table.remove(9) == nil && table.remove(at: 2) == nil)
    }

    @Test("A slot that was never used holds nobody, and nothing can be done to it")
    func unusedSlots() {
        var table = Table()
        table.makeReady(3)
        table.wait(3)
        #expect(table.stream(at: 3) == nil && table.id(at: 3) == nil && !table.isReady(3) && table.remove(at: 3) == nil)
        #expect(table.firstReady == nil && table.firstWaiting == nil && table.isEmpty)
    }

    @Test("A stream stands in one line, once, however often it is put there")
    func standsOnce() {
        var table = Table()
        for slot in 0..<3 { table.insert(Stream(slot), at: slot) }
        for slot in [1, 0, 1, 2, 0] { table.makeReady(slot) }
        #expect(Self.ready(table) == [1, 0, 2])
        table.wait(0)
        table.wait(0)
        table.makeReady(0)
        #expect(Self.ready(table) == [1, 2] && table.firstWaiting == 0)
        #expect([table.takeReady(), table.takeReady(), table.takeReady()] == [1, 2, nil])
        table.makeReady(1)
        table.admitOne()
        #expect(Self.ready(table) == [1, 0] && table.firstWaiting == nil)
        table.admitOne()
        #expect(Self.ready(table) == [1, 0])
    }

    @Test("A stream that opens waits no longer, and keeps its turn if it had one")
    func opening() {
        var table = Table()
        table.insert(Stream(0), at: 0)
        table.insert(Stream(1), at: 1)
        table.wait(0)
        table.wait(1)
        table.open(0, as: 5)
        #expect(table.firstWaiting == 1)
        table.admitOne()
        table.open(1, as: 7)
        #expect(Self.ready(table) == [1])
    }

    private enum Step: CaseIterable { case ready, wait, open, admit, take, leave, end }

    @Test("Whatever happens to a stream in whatever order, those beside it keep their places, and nothing of it stays behind")
    func everyOrder() {
        for steps in Self.permutations(of: Step.allCases) {
            for line in [Step.ready, .wait] {
                var (table, model) = (Table(), Model())
                // A neighbour on each side, in one of the lines.
                for slot in 0..<3 {
                    table.insert(Stream(slot), at: slot)
                    model.streams[slot] = slot
                    Self.apply(line, to: slot, of: &table)
                    model.apply(line, to: slot)
                }
                for step in steps {
                    Self.apply(step, to: 1, of: &table)
                    model.apply(step, to: 1)
                }
                table.remove(at: 1)
                model.remove(1)
                #expect(table.count == 2 && table.stream(at: 1) == nil && table[40] == nil, "\(steps)")
                var waiting: [Int] = []
                while let slot = table.firstWaiting {
                    waiting.append(slot)
                    table.leaveLine(slot)
                }
                #expect(Self.ready(table) == model.ready && waiting == model.waiting, "\(steps)")
                table.insert(Stream(9), at: 1)
                #expect(table.id(at: 1) == nil && !table.isReady(1), "\(steps)")
            }
        }
    }

    private static func apply(_ step: Step, to slot: Int, of table: inout Table) {
        switch step {
        case .ready: table.makeReady(slot)
        case .wait: table.wait(slot)
        case .open: table.open(slot, as: 40)
        case .admit: table.admitOne()
        case .take: _ = table.takeReady()
        case .leave: table.leaveLine(slot)
        case .end: table.remove(at: slot)
        }
    }

    private static func permutations(of steps: [Step]) -> [[Step]] {
        guard steps.count > 1 else { return [steps] }
        return steps.indices.flatMap { index in
            var rest = steps
            let first = rest.remove(at: index)
            return Self.permutations(of: rest).map { [first] + $0 }
        }
    }

    /// The same as lists and dictionaries, as slow as it likes.
    private struct Model {
        var streams: [Int: Int] = [:]
        var ids: [Int: UInt32] = [:]
        var ready: [Int] = []
        var waiting: [Int] = []

        mutating func makeReady(_ slot: Int) {
            if self.streams[slot] != nil, !self.ready.contains(slot), !self.waiting.contains(slot) { self.ready.append(slot) }
        }

        mutating func wait(_ slot: Int) {
            guard self.streams[slot] != nil, !self.waiting.contains(slot) else { return }
            self.ready.removeAll { $0 == slot }
            self.waiting.append(slot)
        }

        mutating func admitOne() {
            if !self.waiting.isEmpty { self.makeReady(self.waiting.removeFirst()) }
        }

        mutating func leaveLine(_ slot: Int) {
            self.ready.removeAll { $0 == slot }
            self.waiting.removeAll { $0 == slot }
        }

        mutating func remove(_ slot: Int) {
            self.streams[slot] = nil
            self.ids[slot] = nil
            self.leaveLine(slot)
        }

        mutating func apply(_ step: Step, to slot: Int) {
            switch step {
            case .ready: self.makeReady(slot)
            case .wait: self.wait(slot)
            case .open: if self.streams[slot] != nil { self.waiting.removeAll { $0 == slot } }
            case .admit: self.admitOne()
            case .take: if !self.ready.isEmpty { self.ready.removeFirst() }
            case .leave: self.leaveLine(slot)
            case .end: self.remove(slot)
            }
        }
    }

    @Test("Long sequences agree with lists and dictionaries", arguments: 0..<20)
    func sequences(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (table, model) = (Table(), Model())
        var name = 0
        for step in 0..<2_000 {
            let slot = Int.random(in: 0..<12, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                guard model.streams[slot] == nil else { continue }
                name += 1
                table.insert(Stream(name), at: slot, id: step % 3 == 0 ? UInt32(step) : nil)
                model.streams[slot] = name
                if step % 3 == 0 { model.ids[slot] = UInt32(step) }
            case 2, 3:
                table.makeReady(slot)
                model.makeReady(slot)
            case 4:
                table.wait(slot)
                model.wait(slot)
            case 5:
                if model.streams[slot] != nil, model.ids[slot] == nil {
                    table.open(slot, as: UInt32(step))
                    model.ids[slot] = UInt32(step)
                    model.waiting.removeAll { $0 == slot }
                } else {
                    table.admitOne()
                    model.admitOne()
                }
            case 6: #expect(table.takeReady() == (model.ready.isEmpty ? nil : model.ready.removeFirst()))
            default:
                #expect(table.remove(at: slot)?.name == model.streams[slot])
                model.remove(slot)
            }
            #expect(table.count == model.streams.count && table.openCount == model.ids.count)
            #expect(Self.ready(table) == model.ready.map { model.streams[$0] ?? -1 })
            #expect(table.firstReady == model.ready.first && table.firstWaiting == model.waiting.first)
            #expect(
                Dictionary(uniqueKeysWithValues: table.opened.map { ($0.stream.name, $0.id) })
                    == Dictionary(uniqueKeysWithValues: model.ids.map { (model.streams[$0] ?? -1, $1) }))
        }
        #expect(Set(table.removeAll().map(\.name)) == Set(model.streams.values))
        #expect(table.isEmpty && table.firstReady == nil && table.firstWaiting == nil && table.openCount == 0)
    }
}
