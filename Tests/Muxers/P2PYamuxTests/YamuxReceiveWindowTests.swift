import NIOCore
import P2PCore
import Testing

@testable import P2PYamux

@Suite("The window of a reader who passes bytes on")
final class YamuxReceiveWindowTests {
    private var window = YamuxReceiveWindow(now: .uptimeNanoseconds(0))

    /// Has half of the window consumed while so much waits: whether it may grow then.
    private func update(least: UInt32 = 0, now: UInt32) -> Bool {
        let isCredited = self.window.spend(self.window.credit)
        self.window.consume(self.window.size / 2)
        let isDue = self.window.isUpdateDue
        let mayGrow = self.window.follow(StreamBuffer.Backlog(least: Int(least), now: Int(now)))
        _ = self.window.update(growingBy: 0, at: .uptimeNanoseconds(1))
        #expect(isCredited && isDue && self.window.credit <= self.window.size)
        return mayGrow
    }

    @Test("It gets narrow while an eighth of it waits now and then, and narrower only where a quarter always does")
    func narrow() {
        #expect(!self.update(now: 32_767))
        #expect(self.window.size == 262_144, "less than an eighth is what is on its way")
        for _ in 0..<20 { #expect(!self.update(least: self.window.size / 4 - 1, now: self.window.size / 4)) }
        #expect(self.window.size == YamuxReceiveWindow.narrow)
        for _ in 0..<20 { #expect(!self.update(least: self.window.size / 4, now: self.window.size / 4)) }
        #expect(self.window.size == YamuxReceiveWindow.narrowest)
        for _ in 0..<3 { #expect(!self.update(now: self.window.size / 2)) }
        #expect(self.window.size == YamuxReceiveWindow.narrowest, "it does not grow by getting narrow")
    }

    @Test("It may grow once little has waited for a while, and no more when much does again")
    func clear() {
        for round in 1..<YamuxReceiveWindow.clearStreakToGrow { #expect(!self.update(now: 0), "round \(round)") }
        #expect(self.update(now: 32_767))
        #expect(self.update(now: 0))
        #expect(!self.update(now: 32_768))
        for round in 1..<YamuxReceiveWindow.clearStreakToGrow { #expect(!self.update(now: 0), "round \(round)") }
        #expect(self.update(now: 0))
    }
}
