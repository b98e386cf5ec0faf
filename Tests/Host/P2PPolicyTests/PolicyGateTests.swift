import P2PCore
import P2PHost
import P2PTesting
import Synchronization
import Testing

@testable import P2PPolicy

@Suite("A gate that holds a host to a policy")
struct PolicyGateTests {
    /// A wall clock that is set by hand.
    private final class Calendar: Sendable {
        private let seconds = Mutex<Int64>(1_790_000_000)
        var now: WallTime { WallTime(secondsSince1970: self.seconds.withLock { $0 }) }
        func set(_ time: String) { self.seconds.withLock { $0 = WallTime(internetTime: time)?.secondsSince1970 ?? 0 } }
    }

    @Test("Neither dials nor keeps whom the rules refuse", .timeLimit(.minutes(1)))
    func refusal() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Policy(""))
            let a = try await world.host(gate)
            let b = try await world.host()
            gate.replace(with: try Policy("deny peer-dial:\(b.peerID)\ndeny peer-accept:\(b.peerID)"))
            await #expect(throws: DialError.self) {
                try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            }
            // The dialler may see its connection for a moment, until it hears that it was refused.
            _ = try? await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(2))
            #expect(a.connections().isEmpty && b.connections().isEmpty)
            gate.replace(with: try Policy(""))
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 1)
        }
    }

    @Test("Closes what is no longer granted, and leaves the rest", .timeLimit(.minutes(1)))
    func withdrawal() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Policy(""))
            let a = try await world.host(gate)
            let (b, c) = (try await world.host(), try await world.host())
            for host in [b, c] { _ = try await world.perform { try await host.connect(to: a.peerID, at: a.listenAddresses) } }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 2)
            gate.replace(with: try Policy("deny peer-accept:\(b.peerID)"))
            try await world.run(for: .seconds(1))
            #expect(a.connections().map(\.remotePeer) == [c.peerID])
            #expect(b.connections().isEmpty)
        }
    }

    @Test("Closes what was granted until now", .timeLimit(.minutes(1)))
    func deadline() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let calendar = Calendar()
            calendar.set("2026-12-31T23:59:59Z")
            let b = try await world.host()
            let gate = PolicyGate(try Policy("allow peer-accept:\(b.peerID) until=2027-01-01T00:00:00Z")) { calendar.now }
            let a = try await world.host(gate)
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 1)
            calendar.set("2027-01-01T00:00:00Z")
            try await world.run(for: .seconds(1))
            #expect(a.connections().isEmpty)
        }
    }
}
