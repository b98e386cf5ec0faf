import NIOCore
import Testing

@testable import P2PQUIC

@Suite("The size of packets on a path that changes")
struct QUICPathSizeTests {
    /// A connection with a probe timeout of 100 ms, on a path that takes packets up to some size.
    private struct Path {
        var size = QUICPathSize()
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var number: UInt64 = 0
        /// What the library has found.
        var found = 1_444
        let probeTimeout = TimeAmount.milliseconds(100)

        /// Sends a packet that is as large as it may be, and says how large; it is acknowledged 20 ms later where the path takes it.
        @discardableResult
        mutating func send(through limit: Int, upTo largest: Int = .max) -> Int {
            self.size.examine(found: self.found, probeTimeout: self.probeTimeout, at: self.now)
            let count = min(self.size.next(at: self.now) ?? self.found, largest)
            self.number += 1
            if self.size.wants(count, at: self.now) { self.size.sent(self.number, size: count, at: self.now) }
            self.now = self.now + .milliseconds(20)
            if count <= limit { self.size.acknowledged(self.number...self.number) }
            return count
        }

        /// Sends packet after packet for a while; the sizes of those that arrived, in order, each once in a row.
        mutating func send(through limit: Int, for time: TimeAmount, upTo largest: Int = .max) -> [Int] {
            let end = self.now + time
            var sizes: [Int] = []
            while self.now < end {
                let size = self.send(through: limit, upTo: largest)
                if size <= limit, sizes.last != size { sizes.append(size) }
            }
            return sizes
        }
    }

    @Test("A path that takes what it took is left alone, whatever single packets are lost")
    func untouched() {
        var path = Path()
        for turn in 0..<1_000 { path.send(through: turn.isMultiple(of: 3) ? 1_444 : 0) }
        #expect(path.size.limit == nil)
    }

    @Test(
        "When nothing but large packets is lost, packets are small within three probe timeouts, then as large as the path takes",
        arguments: [(1_232, 1_232), (1_251, 1_232), (1_372, 1_372), (1_392, 1_392), (1_400, 1_392), (1_443, 1_406)])
    func narrowed(limit: Int, reached: Int) {
        var path = Path()
        path.send(through: 1_444)
        let start = path.now
        while path.size.limit == nil, path.now - start < .seconds(3) { path.send(through: limit) }
        #expect(path.size.limit == 1_200)
        #expect(path.now - start <= .milliseconds(300))
        let sizes = path.send(through: limit, for: .seconds(5))
        #expect(sizes.first == 1_200)
        #expect(sizes.last == reached || sizes.suffix(2).contains(reached))
        #expect(path.size.limit == reached)
    }

    @Test("It is the same where nothing at all arrives, though then only probes are sent, more and more seldom")
    func silent() {
        var path = Path()
        path.send(through: 0)
        let start = path.now
        for pause in [80, 180, 380] {
            path.now = path.now + .milliseconds(Int64(pause))
            path.send(through: 0)
        }
        #expect(path.size.limit == 1_200)
        #expect(path.now - start < .seconds(1))
    }

    @Test("A path that shrinks twice is followed twice, in idle times too")
    func twice() {
        var path = Path()
        path.send(through: 1_444)
        _ = path.send(through: 1_372, for: .seconds(5))
        #expect(path.size.limit == 1_372)
        path.now = path.now + .minutes(10)
        _ = path.send(through: 1_232, for: .seconds(5))
        #expect(path.size.limit == 1_232)
    }

    @Test("One that widens again is found out within the time of the next pilot, and the library has its own way again")
    func widens() {
        var path = Path()
        path.send(through: 1_444)
        _ = path.send(through: 1_232, for: .seconds(5))
        #expect(path.size.limit == 1_232)
        _ = path.send(through: 1_444, for: .seconds(10))
        #expect(path.size.limit == nil)
    }

    @Test("Pilots that are lost become rare: two of a size, then none for 10 s, 20 s and so on, up to ten minutes")
    func pilots() {
        var path = Path()
        path.send(through: 1_444)
        _ = path.send(through: 1_200, for: .seconds(2))
        var lost: [NIODeadline] = []
        let start = path.now
        while path.now - start < .hours(1) { if path.send(through: 1_200) > 1_200 { lost.append(path.now) } }
        #expect((16...22).contains(lost.count))
        let gaps = zip(lost, lost.dropFirst()).map { ($1 - $0).nanoseconds / 1_000_000_000 }.filter { $0 > 1 }
        #expect(gaps.starts(with: [10, 20, 40, 80, 160, 320, 600]) || gaps.starts(with: [20, 40, 80, 160, 320, 600]))
    }

    @Test("Small packets are no witnesses, nor are the library's own probes, which may be lost")
    func witnesses() {
        var size = QUICPathSize()
        let now = NIODeadline.uptimeNanoseconds(1)
        size.examine(found: 1_342, probeTimeout: .milliseconds(100), at: now)
        for count in [40, 1_200, 1_343, 1_444] { #expect(!size.wants(count, at: now)) }
        for count in [1_201, 1_342] { #expect(size.wants(count, at: now)) }
        #expect(!size.isAtWork)
        size.sent(7, size: 1_342, at: now)
        #expect(size.isWatching)
        size.acknowledged(0...6)
        #expect(size.isWatching)
        size.acknowledged(5...9)
        #expect(!size.isAtWork)
    }

    @Test("One large packet that was lost long ago says nothing, and neither does a busy peer on a short path")
    func patience() {
        var path = Path()
        path.send(through: 0)
        path.now = path.now + .minutes(1)
        for _ in 0..<20 { path.send(through: 1_200, upTo: 1_000) }
        path.send(through: 1_444)
        #expect(path.size.limit == nil)
        var size = QUICPathSize()
        var now = NIODeadline.uptimeNanoseconds(1)
        for number: UInt64 in 0..<24 {
            size.examine(found: 1_444, probeTimeout: .milliseconds(26), at: now)
            if size.wants(1_444, at: now) { size.sent(number, size: 1_444, at: now) }
            now = now + .milliseconds(10)
        }
        #expect(size.limit == nil)
    }

    @Test("What an interface refuses for its size needs no witnesses")
    func refused() {
        var path = Path()
        path.send(through: 1_444)
        path.size.refused(1_500, at: path.now)
        #expect(path.size.limit == nil)
        path.size.refused(1_444, at: path.now)
        #expect(path.size.limit == 1_200)
        path.now = path.now + .seconds(2)
        #expect(path.size.next(at: path.now) == 1_232)
        path.size.refused(1_232, at: path.now)
        #expect(path.size.next(at: path.now) == 1_200)
        #expect(path.size.next(at: path.now + .seconds(10)) == 1_232)
    }

    @Test("Another path begins anew")
    func moved() {
        var path = Path()
        path.send(through: 1_444)
        _ = path.send(through: 1_232, for: .seconds(2))
        #expect(path.size.limit != nil)
        path.size.moved()
        #expect(path.size.limit == nil)
        #expect(!path.size.isAtWork)
    }

    @Test("No more witnesses are kept than there is a limit")
    func bounded() {
        var size = QUICPathSize()
        let now = NIODeadline.uptimeNanoseconds(1)
        for number: UInt64 in 0..<1_000 { size.sent(number, size: 1_201, at: now) }
        size.acknowledged(UInt64(QUICPathSize.maximumWitnesses) - 1...998)
        #expect(size.isWatching)
        size.acknowledged(999...999)
        #expect(!size.isWatching)
    }
}
