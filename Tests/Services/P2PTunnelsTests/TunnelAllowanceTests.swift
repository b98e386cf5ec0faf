import NIOCore
import Testing

@testable import P2PTunnels

@Suite("What may wait in a tunnel's stream")
struct TunnelAllowanceTests {
    @Test("It grows where it is gone soon, stays where that takes its time, and shrinks where it takes long, within its bounds")
    func bounds() {
        var allowance = TunnelAllowance()
        var now = NIODeadline.now()
        for (milliseconds, kibibytes) in [
            (1, 128), (5, 256), (1, 256), (6, 256), (20, 256), (21, 128), (20, 128), (900, 64), (900, 64), (0, 128),
        ] as [(Int64, Int)] {
            allowance.held(at: now)
            now = now + .milliseconds(milliseconds)
            // Asking again while it is held changes nothing.
            allowance.held(at: now)
            _ = allowance.released(at: now)
            #expect(allowance.bytes == kibibytes * 1_024, "\(milliseconds) ms")
        }
    }

    @Test("Who is not held up learns nothing, and a change is told once")
    func changes() {
        var allowance = TunnelAllowance()
        let now = NIODeadline.now()
        var told = [allowance.released(at: now)]
        allowance.held(at: now)
        for _ in 0..<2 { told.append(allowance.released(at: now)) }
        #expect(told == [false, true, false])
        #expect(allowance.bytes == 2 * TunnelAllowance.least)
    }
}
