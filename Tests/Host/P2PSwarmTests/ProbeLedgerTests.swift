import NIOCore
import P2PIdentity
import Testing

@testable import P2PSwarm

@Suite("Whose connections are asked whether they live")
struct ProbeLedgerTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("One at a time, and after none was found dead not again for a while")
    func pause() throws {
        var ledger = ProbeLedger()
        let peer = try self.peer()
        #expect(ledger.begin(peer, at: self.now) == true)
        #expect(ledger.begin(peer, at: self.now) == false)
        ledger.ended(peer, foundDead: false, at: self.now)
        #expect(ledger.begin(peer, at: self.now + ProbeLedger.pause - .nanoseconds(1)) == false)
        #expect(ledger.begin(peer, at: self.now + ProbeLedger.pause) == true)
        ledger.ended(peer, foundDead: true, at: self.now + ProbeLedger.pause)
        #expect(ledger.count == 0)
        #expect(ledger.begin(peer, at: self.now + ProbeLedger.pause) == true)
    }

    @Test("No more peers at a time than the limit, and no more are remembered than the limit")
    func bounded() throws {
        var ledger = ProbeLedger()
        let peers = try (0..<ProbeLedger.concurrent).map { _ in try self.peer() }
        for peer in peers { #expect(ledger.begin(peer, at: self.now) == true) }
        #expect(ledger.begin(try self.peer(), at: self.now) == false)
        for peer in peers { ledger.ended(peer, foundDead: false, at: self.now) }
        for _ in 0..<(ProbeLedger.limit + 10) {
            let peer = try self.peer()
            #expect(ledger.begin(peer, at: self.now) == true)
            ledger.ended(peer, foundDead: false, at: self.now)
        }
        #expect(ledger.count == ProbeLedger.limit)
    }
}
