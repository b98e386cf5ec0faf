import NIOCore
import Testing

@testable import P2PCore

@Suite("A log line per interval")
struct LogIntervalTests {
    @Test("The first goes out, and the next after the interval says how many did not")
    func counts() {
        var interval = LogInterval(.seconds(10))
        let start = NIODeadline.uptimeNanoseconds(5)
        #expect(interval.admit(at: start) == 0)
        #expect(interval.admit(at: start) == nil)
        #expect(interval.admit(at: start + .nanoseconds(9_999_999_999)) == nil)
        #expect(interval.admit(at: start + .seconds(10)) == 2)
        #expect(interval.admit(at: start + .seconds(19)) == nil)
        #expect(interval.admit(at: start + .seconds(40)) == 1)
        #expect(interval.admit(at: start + .seconds(50)) == 0)
    }
}
