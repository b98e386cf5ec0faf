import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("Dial back-off")
struct DialBackOffTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("Each failure prolongs the pause, up to five minutes")
    func grows() throws {
        let address = Multiaddr("/ip4/1.2.3.4/tcp/1")
        var backOff = DialBackOff()
        #expect(backOff.until(address, at: self.start) == nil)
        backOff.failed(address, at: self.start)
        #expect(backOff.until(address, at: self.start) == self.start + .seconds(5))
        backOff.failed(address, at: self.start)
        #expect(backOff.until(address, at: self.start) == self.start + .seconds(6))
        backOff.failed(address, at: self.start)
        #expect(backOff.until(address, at: self.start) == self.start + .seconds(9))
        for _ in 0..<200 { backOff.failed(address, at: self.start) }
        #expect(backOff.until(address, at: self.start) == self.start + .minutes(5))
        #expect(backOff.until(address, at: self.start + .minutes(5)) == nil)
    }

    @Test("A success forgets the failures")
    func succeeds() throws {
        let address = Multiaddr("/ip4/1.2.3.4/tcp/1")
        var backOff = DialBackOff()
        backOff.failed(address, at: self.start)
        backOff.succeeded(address)
        #expect(backOff.until(address, at: self.start) == nil)
        #expect(backOff.count == 0)
    }

    @Test("It remembers a bounded number of addresses, the latest among them")
    func bounded() throws {
        var backOff = DialBackOff()
        for port in 1...(DialBackOff.limit + 100) {
            backOff.failed(try Multiaddr("/ip4/1.2.3.4/tcp/\(port)"), at: self.start + .nanoseconds(Int64(port)))
        }
        #expect(backOff.count == DialBackOff.limit)
        #expect(backOff.until(Multiaddr("/ip4/1.2.3.4/tcp/1"), at: self.start) == nil)
        #expect(backOff.until(try Multiaddr("/ip4/1.2.3.4/tcp/\(DialBackOff.limit + 100)"), at: self.start) != nil)
    }
}
