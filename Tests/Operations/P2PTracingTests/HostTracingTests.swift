import InMemoryTracing
import P2P
import P2PHost
import P2PTesting
import Testing
import Tracing

@testable import P2PTracing

@Suite("Spans of what a host does", .timeLimit(.minutes(1)))
struct HostTracingTests {
    private let tracer = InMemoryTracer()

    private func spans(_ name: String) -> [FinishedInMemorySpan] { self.tracer.finishedSpans.filter { $0.operationName == name } }

    @Test("A dial is a part of what asked for it, an address a part of the dial")
    func dials() async throws {
        try await withWorld(seed: 21, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await world.host(HostTracing(tracer: self.tracer))
            let b = try await world.host()
            let asking = self.tracer.startSpan("asking")
            _ = try await world.perform {
                try await ServiceContext.withValue(asking.context) { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            }
            asking.end()
            await #expect(throws: DialError.self) {
                try await world.perform { try await a.connect(to: a.peerID, DialRequest(addresses: [Multiaddr("/ip4/10.9.9.9/tcp/1")])) }
            }
            let dial = try #require(self.spans("p2p.dial").first)
            #expect(dial.parentSpanID == asking.spanID)
            #expect(dial.attributes["p2p.peer"]?.toSpanAttribute() == .string(b.peerID.description))
            let connection = try #require(a.connections().first)
            #expect(dial.attributes["p2p.connection"]?.toSpanAttribute() == .string(connection.info.id.description))
            let address = try #require(self.spans("p2p.dial.address").first)
            #expect(address.parentSpanID == dial.spanID)
            #expect(address.errors.isEmpty)
        }
        #expect(self.tracer.activeSpans.isEmpty)
    }

    @Test("A handler runs within the span of its stream, and a failure is on it")
    func streams() async throws {
        try await withWorld(seed: 22, everyLink: .latency(.milliseconds(10))) { world in
            let a = try await world.host(HostTracing(tracer: self.tracer))
            let b = try await world.host(HostTracing(tracer: self.tracer))
            let tracer = self.tracer
            try b.serve("/traced") { stream, _ in
                tracer.startSpan("handler").end()
                _ = try await stream.read()
                throw StreamError(.malformed, "nonsense")
            }
            _ = try await world.perform { try await a.connect(to: b.peerID, at: b.listenAddresses) }
            try await world.perform {
                let stream = try await a.openStream(to: b.peerID, protocols: ["/traced"])
                try await stream.write(text: "x")
                _ = try? await stream.read()
            }
            try await world.run(for: .seconds(1))
            let serving = try #require(self.spans("p2p.stream.serve").first)
            #expect(serving.kind == .server)
            #expect(serving.errors.count == 1)
            #expect(serving.attributes["p2p.protocol"]?.toSpanAttribute() == .string("/traced"))
            #expect(self.spans("handler").first?.parentSpanID == serving.spanID)
            let opening = try #require(self.spans("p2p.stream.open").first)
            #expect(opening.kind == .client)
            #expect(self.spans("p2p.arrival").count == 1)
        }
        #expect(self.tracer.activeSpans.isEmpty)
    }

    @Test("The steps of the handshakes are parts of the address, and of the arrival")
    func steps() async throws {
        let listener = try await PeerHost.standard(
            identity: try PrivateKey.generate(.ed25519), modules: .standard.adding(HostTracing(tracer: self.tracer)))
        let dialer = try await PeerHost.standard(
            identity: try PrivateKey.generate(.ed25519), modules: .standard.adding(HostTracing(tracer: self.tracer)))
        let address = try #require(try await listener.listen(on: Multiaddr("/ip4/127.0.0.1/tcp/0")).first)
        try await listener.running { _ in
            try await dialer.running { dialer in _ = try await dialer.connect(to: address) }
        }
        let tried = try #require(self.spans("p2p.dial.address").first)
        let arrival = try #require(self.spans("p2p.arrival").first)
        #expect(self.spans("p2p.upgrade.connect").map(\.parentSpanID) == [tried.spanID])
        for name in ["p2p.upgrade.agree_security", "p2p.upgrade.secure"] {
            #expect(Set(self.spans(name).map(\.parentSpanID)) == [tried.spanID, arrival.spanID], "\(name)")
        }
        #expect(self.tracer.activeSpans.isEmpty)
    }

    @Test("Without a backend nothing is made")
    func off() {
        let observer = SpanObserver(tracer: nil)
        #expect(observer.began(.dial(nil), within: nil) == nil)
    }
}
