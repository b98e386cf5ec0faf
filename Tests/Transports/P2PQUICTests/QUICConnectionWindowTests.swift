import NIOCore
import Testing

@testable import P2PQUIC

@Suite("The window of a QUIC connection")
struct QUICConnectionWindowTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func consume(
        _ window: inout QUICConnectionWindow, _ count: UInt64, after time: TimeAmount, roundTrip: TimeAmount = .milliseconds(10)
    ) -> UInt64 {
        window.consume(count) ? window.wantedGrowth(roundTrip: roundTrip, now: self.start + time) : 0
    }

    @Test("Half of it consumed within two round trips doubles it, up to its bound")
    func grows() {
        var window = QUICConnectionWindow(initial: 1_000, maximum: 3_000, now: self.start)
        #expect(self.consume(&window, 499, after: .zero) == 0)
        #expect(self.consume(&window, 1, after: .milliseconds(19)) == 1_000)
        window.grow(by: 1_000)
        #expect(window.size == 2_000)
        #expect(self.consume(&window, 1_000, after: .milliseconds(38)) == 1_000)
        window.grow(by: 1_000)
        #expect(self.consume(&window, 3_000, after: .milliseconds(39)) == 0)
        #expect(window.growth == 2_000)
    }

    @Test("A slow reader keeps the window that it has, and a round trip shorter than any scheduler counts for more")
    func stays() {
        var window = QUICConnectionWindow(initial: 1_000, maximum: 3_000, now: self.start)
        #expect(self.consume(&window, 500, after: .milliseconds(20)) == 0)
        #expect(self.consume(&window, 500, after: .milliseconds(20) + .microseconds(399), roundTrip: .nanoseconds(1)) == 1_000)
        #expect(window.growth == 0, "nobody granted it")
    }

    @Test("A bound below the beginning is the beginning")
    func bounds() {
        var window = QUICConnectionWindow(initial: 1_000, maximum: 10, now: self.start)
        #expect(window.maximum == 1_000)
        #expect(self.consume(&window, 900, after: .zero) == 0)
    }
}
