import NIOCore
import P2PCore
import P2PHost
import P2PMultiaddr
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

    /// Rules with which hosts of a world may listen.
    private static func policy(_ rules: String...) throws -> Policy {
        try Policy((["allow tcp-listen:*"] + rules).joined(separator: "\n"))
    }

    /// Serves what comes back as it was, until the peer finishes.
    private static func serveEcho(on host: PeerHost) throws {
        try host.serve("/echo/test") { stream, _ in
            while let bytes = try await stream.read() { try await stream.write(bytes) }
        }
    }

    /// Opens a stream and has one word come back.
    private static func exchange(_ host: PeerHost, with other: PeerHost) async throws -> PeerStream {
        let stream = try await host.openStream(to: other.peerID, protocols: ["/echo/test"])
        try await stream.write(text: "word")
        let bytes = try await stream.read()
        #expect(bytes?.readableBytes == 4)
        return stream
    }

    @Test("Neither dials nor keeps whom the rules refuse", .timeLimit(.minutes(1)))
    func refusal() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Self.policy())
            let a = try await world.host(gate)
            let b = try await world.host()
            gate.replace(with: try Self.policy("deny peer-dial:\(b.peerID)", "deny peer-accept:\(b.peerID)"))
            await #expect(throws: DialError.self) {
                try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            }
            // The dialler may see its connection for a moment, until it hears that it was refused.
            _ = try? await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(2))
            #expect(a.connections().isEmpty && b.connections().isEmpty)
            gate.replace(with: try Self.policy())
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 1)
        }
    }

    @Test("Closes what is no longer granted, and leaves the rest", .timeLimit(.minutes(1)))
    func withdrawal() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Self.policy())
            let a = try await world.host(gate)
            let (b, c) = (try await world.host(), try await world.host())
            for host in [b, c] { _ = try await world.perform { try await host.connect(to: a.peerID, at: a.listenAddresses) } }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 2)
            let review = gate.replace(with: try Self.policy("deny peer-accept:\(b.peerID)"))
            #expect(review == PolicyReview(rules: 2, connections: 1))
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
            let gate = PolicyGate(try Self.policy("allow peer-accept:\(b.peerID) until=2027-01-01T00:00:00Z")) { calendar.now }
            let a = try await world.host(gate)
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 1)
            calendar.set("2027-01-01T00:00:00Z")
            try await world.run(for: .seconds(1))
            #expect(a.connections().isEmpty)
        }
    }

    @Test("What ends at a time ends then, also where the clock ran ahead meanwhile", .timeLimit(.minutes(1)))
    func clockSetBack() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let calendar = Calendar()
            calendar.set("2027-06-01T00:00:00Z")
            let b = try await world.host()
            let gate = PolicyGate(try Self.policy()) { calendar.now }
            let a = try await world.host(gate)
            let rules = "allow peer-accept:\(b.peerID) until=2027-01-01T00:00:00Z"
            _ = gate.replace(with: try Self.policy(rules))
            calendar.set("2026-12-31T23:59:59Z")
            try await world.run(for: .seconds(2))
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().count == 1)
            calendar.set("2027-01-01T00:00:00Z")
            try await world.run(for: .seconds(2))
            #expect(a.connections().isEmpty)
        }
    }

    @Test("A stream is served to whom the rules allow it, and reset for others and when it is withdrawn, while the connection lives")
    func service() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let (b, c) = (try await world.host(), try await world.host())
            let gate = PolicyGate(try Self.policy("allow service:/echo/* peer=\(b.peerID)"))
            let a = try await world.host(gate)
            try Self.serveEcho(on: a)
            for host in [b, c] { _ = try await world.perform { try await host.connect(to: a.peerID, at: a.listenAddresses) } }
            let refused = await #expect(throws: StreamError.self) {
                try await world.perform { _ = try await Self.exchange(c, with: a) }
            }
            #expect(refused?.code == .reset)
            let stream = try await world.perform { try await Self.exchange(b, with: a) }
            let review = gate.replace(with: try Self.policy("deny service:/echo/*"))
            #expect(review == PolicyReview(rules: 2, streams: 1))
            let reset = await #expect(throws: StreamError.self) {
                try await world.perform { _ = try await stream.read() }
            }
            #expect(reset?.code == .reset)
            #expect(a.connections().count == 2)
        }
    }

    @Test("A stream that the rules refuse is not opened: the peer hears nothing of it")
    func opening() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Self.policy("deny stream-open:/echo/*"))
            let (a, b) = (try await world.host(gate), try await world.host())
            let served = Mutex(0)
            try b.serve("/echo/test", "/echo2/test") { stream, _ in
                served.withLock { $0 += 1 }
                while let bytes = try await stream.read() { try await stream.write(bytes) }
            }
            let connection = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            let error = await #expect(throws: StreamError.self) {
                try await world.perform { _ = try await a.openStream(on: connection.id, protocols: ["/echo/test"]) }
            }
            #expect(error?.code == .gated)
            #expect(
                error?.message
                    == "permission denied: stream-open:/echo/test is denied by \"deny stream-open:/echo/*\" (policy line 2)")
            // Of several protocols, those remain that are granted.
            let stream = try await world.perform {
                let stream = try await a.openStream(on: connection.id, protocols: ["/echo/test", "/echo2/test"])
                try await stream.write(text: "word")
                _ = try await stream.read()
                return stream
            }
            #expect(stream.protocolID == "/echo2/test")
            #expect(served.withLock { $0 } == 1)
            #expect(gate.replace(with: try Self.policy("deny stream-open:*")).streams == 1)
            await #expect(throws: StreamError.self) { try await world.perform { _ = try await stream.read() } }
        }
    }

    @Test("A listener is refused with the rule that says so, and closed when it is withdrawn; what arrived there stays")
    func listening() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Self.policy())
            let (a, b) = (try await world.host(gate), try await world.host())
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            let before = a.listenAddresses
            let ip = try #require(before.first?.ipAddress)
            #expect(gate.replace(with: try Policy("allow tcp-listen:1")).listeners == 1)
            let error = await #expect(throws: TransportError.self) { try await a.listen(on: Multiaddr(ip: ip, tcp: 2)) }
            #expect(error?.code == .gated && error?.message == "permission denied: tcp-listen:\(ip):2 is not granted")
            try await world.run(for: .seconds(1))
            #expect(a.listenAddresses.isEmpty && !before.isEmpty)
            #expect(a.connections().count == 1)
        }
    }

    @Test("No more connections at a time than a rule grants, and another when one has ended")
    func maximum() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let gate = PolicyGate(try Self.policy("allow peer-accept:* max=1"))
            let a = try await world.host(gate)
            let (b, c) = (try await world.host(), try await world.host())
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            _ = try? await world.perform { try await c.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().map(\.remotePeer) == [b.peerID])
            try await world.perform { await b.disconnect(a.peerID) }
            try await world.run(for: .seconds(1))
            _ = try await world.perform { try await c.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.run(for: .seconds(1))
            #expect(a.connections().map(\.remotePeer) == [c.peerID])
        }
    }

    @Test("What is gone is not kept track of")
    func bounds() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(1))) { world in
            let gate = PolicyGate(try Self.policy())
            let (a, b) = (try await world.host(gate), try await world.host())
            try Self.serveEcho(on: a)
            _ = try await world.perform { try await b.connect(to: a.peerID, at: a.listenAddresses) }
            try await world.perform {
                for _ in 0..<600 {
                    let stream = try await Self.exchange(b, with: a)
                    stream.reset()
                }
            }
            #expect(gate.grantCount < 300)
        }
    }

    @Test("An application decides about what the rules leave to it, and what it has agreed to stays while the rule does")
    func asking() async throws {
        _ = try await withWorld(seed: 3, everyLink: .latency(.milliseconds(10))) { world in
            let (b, c) = (try await world.host(), try await world.host())
            let asked = Mutex<[String]>([])
            let welcome = b.peerID
            let asking = PolicyAsking { question, _ in
                asked.withLock { $0.append("\(question.kind.rawValue)") }
                return question.asker.peer == welcome
            }
            let gate = PolicyGate(try Self.policy("ask peer-accept:*"), asking: asking)
            let a = try await world.host(gate)
            for host in [b, c] { _ = try? await world.perform { try await host.connect(to: a.peerID, at: a.listenAddresses) } }
            try await world.run(for: .seconds(1))
            #expect(a.connections().map(\.remotePeer) == [b.peerID])
            #expect(asked.withLock { $0 } == ["peer-accept", "peer-accept"])
            #expect(gate.replace(with: try Self.policy("deny service:/none", "ask peer-accept:*")).connections == 0)
            #expect(gate.replace(with: try Self.policy("ask peer-accept:*@loopback:*")).connections == 1)
            try await world.run(for: .seconds(1))
            #expect(a.connections().isEmpty)
        }
    }

    @Test("Without anybody to ask, what is to be asked about is refused")
    func nobody() async throws {
        let gate = PolicyGate(try Policy("ask tcp-listen:*"))
        #expect(
            await gate.mayListen(on: "/ip4/127.0.0.1/tcp/1")
                == .refused(
                    "permission denied: tcp-listen:127.0.0.1:1 is not granted: nobody is there to be asked, by \"ask tcp-listen:*\" (policy line 1)"
                ))
    }
}
