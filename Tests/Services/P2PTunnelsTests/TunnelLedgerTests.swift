import P2PCore
import P2PIdentity
import Synchronization
import Testing

@testable import P2PTunnels

@Suite("The places of flows")
struct TunnelLedgerTests {
    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    private func ledger(flowsPerPeer: Int = 256, flows: Int = 1_024, opening: Int) -> TunnelLedger {
        var configuration = TunnelConfiguration()
        (configuration.flowsPerPeer, configuration.flows, configuration.opening) = (flowsPerPeer, flows, opening)
        return TunnelLedger(configuration)
    }

    @Test("A peer has so many, and all have so many; then all are free again")
    func limits() async throws {
        let ledger = self.ledger(flowsPerPeer: 2, flows: 3, opening: 8)
        let traffic = TunnelTraffic()
        let (a, b) = (try self.peer(), try self.peer())
        var places = [try await ledger.admit(a, to: traffic), try await ledger.admit(a, to: traffic)]
        await #expect(throws: TunnelError(.busy, "")) { _ = try await ledger.admit(a, to: traffic) }
        for place in places { place.opened() }
        places.append(try await ledger.admit(b, to: traffic))
        await #expect(throws: TunnelError(.busy, "")) { _ = try await ledger.admit(b, to: traffic) }
        #expect(ledger.census == (3, 1, 2))
        #expect(traffic.living.load(ordering: .relaxed) == 3)
        places.removeAll()
        #expect(ledger.census == (0, 0, 0))
        #expect(traffic.living.load(ordering: .relaxed) == 0)
        #expect(traffic.flows.load(ordering: .relaxed) == 3)
        #expect(traffic.refusals.load(ordering: .relaxed) == 2)
    }

    @Test("Only so many are being opened at a time, the others wait for their turn, and whoever is cancelled waits no more")
    func turns() async throws {
        let ledger = self.ledger(opening: 2)
        let traffic = TunnelTraffic()
        let peer = try self.peer()
        let (first, second) = (try await ledger.admit(peer, to: traffic), try await ledger.admit(peer, to: traffic))
        let waiting = (0..<3).map { _ in Task { try await ledger.admit(peer, to: traffic) } }
        while ledger.census.flows < 5 { await Task.yield() }
        #expect(ledger.census == (5, 2, 1))
        waiting[1].cancel()
        await #expect(throws: TunnelError(.broken, "")) { _ = try await waiting[1].value }
        #expect(ledger.census == (4, 2, 1))
        // One that is open, and one that is given up.
        first.opened()
        second.opened()
        var places = [first, second]
        for task in [waiting[0], waiting[2]] { places.append(try await task.value) }
        #expect(ledger.census == (4, 2, 1))
        places.removeAll()
        let last = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await ledger.admit(peer, to: traffic)
        }
        await #expect(throws: TunnelError(.broken, "")) { _ = try await last.value }
    }
}
