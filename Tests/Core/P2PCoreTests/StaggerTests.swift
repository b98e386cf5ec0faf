import NIOCore
import P2PCore
import Testing

@Suite("Members of a line start one after the other")
struct StaggerTests {
    private func delays(_ count: Int) -> [Int64] {
        Stagger.delays(count, from: .milliseconds(250), by: .milliseconds(250), until: .milliseconds(1_250)).map {
            $0.nanoseconds / 1_000_000
        }
    }

    @Test("Few keep their full distance")
    func few() {
        #expect(self.delays(0) == [])
        #expect(self.delays(1) == [250])
        #expect(self.delays(5) == [250, 500, 750, 1_000, 1_250])
    }

    @Test("Of many the first keep it, and the last starts in time", arguments: [6, 14, 100, 256])
    func many(count: Int) {
        let delays = self.delays(count)
        #expect(delays.count == count)
        #expect(delays.prefix(3) == [250, 500, 750])
        #expect(delays.last == 1_250)
        #expect(zip(delays, delays.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test("Without time there is one step of it, and a step of nothing is all at once")
    func edges() {
        let late = Stagger.delays(3, from: .seconds(9), by: .seconds(1), until: .seconds(1))
        #expect(late == [.seconds(9), .milliseconds(9_500), .seconds(10)])
        #expect(Stagger.delays(3, from: .zero, by: .zero, until: .zero) == [.zero, .zero, .zero])
    }
}
