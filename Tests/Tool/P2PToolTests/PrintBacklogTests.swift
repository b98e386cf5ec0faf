import NIOCore
import Testing

@testable import P2PTool

@Suite("What waits to be printed")
struct PrintBacklogTests {
    private func backlog(_ limit: Int) -> PrintBacklog { PrintBacklog(limit: limit) { "-\($0)\n" } }

    /// Everything that comes out, piece by piece.
    private func drain(_ backlog: inout PrintBacklog) -> [String] {
        var pieces: [String] = []
        while let piece = backlog.next() { pieces.append(String(buffer: piece.bytes)) }
        return pieces
    }

    @Test("Lines come out in order, joined into pieces that a pipe takes whole")
    func order() {
        var backlog = self.backlog(100_000)
        let line = String(repeating: "x", count: 1_499) + "\n"
        for _ in 0..<5 { backlog.offer(ByteBuffer(string: line)) }
        #expect(self.drain(&backlog).map(\.utf8.count) == [3_000, 3_000, 1_500])
        #expect(backlog.byteCount == 0)
    }

    @Test("A line longer than a piece stays one")
    func longLine() {
        var backlog = self.backlog(100_000)
        let long = String(repeating: "y", count: 10_000) + "\n"
        for line in ["a\n", long, "b\n"] { backlog.offer(ByteBuffer(string: line)) }
        #expect(self.drain(&backlog) == ["a\n", long, "b\n"])
    }

    @Test("What finds no room is counted, and the note stands where it would have stood")
    func losses() {
        var backlog = self.backlog(8)
        for line in ["111\n", "222\n", "333\n", "444\n"] { backlog.offer(ByteBuffer(string: line)) }
        #expect(backlog.lost == 2)
        #expect(self.drain(&backlog) == ["111\n222\n", "-2\n"])
        backlog.offer(ByteBuffer(string: "555\n"))
        #expect(self.drain(&backlog) == ["555\n"])
    }

    @Test("After a loss, lines are taken again once half of the room is free")
    func hysteresis() {
        var backlog = self.backlog(16)
        for line in ["1111111\n", "2222222\n", "lost\n"] { backlog.offer(ByteBuffer(string: line)) }
        let waiter = PrintWaiter()
        backlog.append(ByteBuffer(string: "w"), waiter: waiter)
        #expect(self.drain(&backlog) == ["1111111\n2222222\n-1\n", "w"])
        for line in ["1111111\n", "2222222\n", "lost\n"] { backlog.offer(ByteBuffer(string: line)) }
        backlog.offer(ByteBuffer(string: "x\n"))
        #expect(backlog.lost == 2)
        #expect(self.drain(&backlog) == ["1111111\n2222222\n", "-2\n"])
    }

    @Test("However much is offered, no more than the limit and a note waits")
    func bounded() {
        var backlog = self.backlog(1_000)
        for number in 0..<100_000 { backlog.offer(ByteBuffer(string: "line \(number)\n")) }
        #expect(backlog.byteCount <= 1_000)
        #expect(backlog.lost > 99_000)
    }

    @Test("Clearing says who waits in vain")
    func clearing() {
        var backlog = self.backlog(100)
        backlog.offer(ByteBuffer(string: "a\n"))
        backlog.append(ByteBuffer(string: "b"), waiter: PrintWaiter())
        #expect(backlog.clear().count == 1)
        #expect(self.drain(&backlog).isEmpty)
    }
}
