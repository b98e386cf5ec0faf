import P2PCore
import P2PIdentity
import Synchronization
import Testing

@testable import P2PTunnels

@Suite("The places of flows")
struct TunnelLedgerTests {
    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("A peer has so many, all have so many, and so many are being opened; then all are free again")
    func limits() throws {
        var configuration = TunnelConfiguration()
        (configuration.flowsPerPeer, configuration.flows, configuration.opening) = (2, 3, 2)
        let ledger = TunnelLedger(configuration)
        let traffic = TunnelTraffic()
        let (a, b) = (try self.peer(), try self.peer())
        var places = [try ledger.admit(a, to: traffic), try ledger.admit(a, to: traffic)]
        #expect(throws: TunnelError(.busy, "")) { try ledger.admit(a, to: traffic) }
        #expect(throws: TunnelError(.busy, "")) { try ledger.admit(b, to: traffic) }
        for place in places { place.opened() }
        places.append(try ledger.admit(b, to: traffic))
        #expect(throws: TunnelError(.busy, "")) { try ledger.admit(b, to: traffic) }
        #expect(ledger.census == (3, 1, 2))
        #expect(traffic.living.load(ordering: .relaxed) == 3)
        places.removeAll()
        #expect(ledger.census == (0, 0, 0))
        #expect(traffic.living.load(ordering: .relaxed) == 0)
        #expect(traffic.flows.load(ordering: .relaxed) == 3)
        #expect(traffic.refusals.load(ordering: .relaxed) == 3)
    }
}
