import NIOCore
import P2PCore
import P2PIdentity
import Testing

@testable import P2PRelay

@Suite("Why a circuit is over")
struct CircuitUseTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let relay: PeerID

    init() throws { self.relay = PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    private func use(_ limit: CircuitLimit?, sent: Int, received: Int) -> CircuitUse {
        var use = CircuitUse(limit, of: self.relay, at: self.start)
        use.send(sent)
        use.receive(received)
        return use
    }

    @Test("The error names the relay, its limit, and what was used")
    func data() throws {
        let limit = CircuitLimit(duration: .seconds(120), data: 131_072)
        let reason = try #require(self.use(limit, sent: 131_072, received: 4_096).exhaustion(at: self.start + .seconds(3)))
        #expect(reason == "limited: 128 KiB of relay \(self.relay) were used (131072 bytes sent and 4096 received in 3 s)")
    }

    @Test("Time is a limit, too, by a relay's clock that may be a little off")
    func time() throws {
        let limit = CircuitLimit(duration: .seconds(120), data: 131_072)
        let use = self.use(limit, sent: 1, received: 1)
        #expect(use.exhaustion(at: self.start + .seconds(118)) == nil)
        #expect(try #require(use.exhaustion(at: self.start + .seconds(119))).hasPrefix("limited: 120 s of relay \(self.relay) were used"))
    }

    @Test("Without a limit, or before it, the end has other reasons")
    func others() {
        #expect(self.use(nil, sent: 1 << 30, received: 0).exhaustion(at: self.start + .hours(9)) == nil)
        #expect(self.use(CircuitLimit(), sent: 1 << 30, received: 0).exhaustion(at: self.start + .hours(9)) == nil)
        #expect(self.use(CircuitLimit(data: 10), sent: 5, received: 4).exhaustion(at: self.start) == nil)
        #expect(self.use(CircuitLimit(data: 10), sent: 5, received: 5).exhaustion(at: self.start) != nil)
    }

    @Test("Limits read as people say them")
    func text() {
        #expect(CircuitLimit(duration: .seconds(120), data: 131_072).description == "128 KiB each way and 120 s")
        #expect(CircuitLimit(data: 1_000).description == "1000 bytes each way")
        #expect(CircuitLimit(duration: .seconds(5)).description == "5 s")
    }
}
