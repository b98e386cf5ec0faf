import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("Streams of a host", .timeLimit(.minutes(1)))
struct StreamTests {
    private struct Failure: Error {}

    private let world = FakeWorld()

    /// Runs two connected hosts, of which the second serves the handlers.
    private func connected(
        _ handlers: [ClosureHandler], _ configuration: HostConfiguration = HostConfiguration(),
        body: @escaping @Sendable (_ a: PeerHost, _ b: PeerHost, _ connection: PeerConnection) async throws -> Void
    ) async throws {
        let (a, b) = (try self.world.host(configuration), try self.world.host(configuration))
        for handler in handlers { try b.serve(handler) }
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            try await body(a, b, try await a.connect(to: address))
        }
    }

    @Test("A handler that returns finishes its stream", arguments: [HandlerPlacement.global, .connectionLoop])
    func returns(placement: HandlerPlacement) async throws {
        let hello = ClosureHandler("/hello", placement: placement) { stream, connection in
            try await stream.write(text: "hello \(connection.remotePeer)")
        }
        try await self.connected([hello]) { a, _, connection in
            let stream = try await a.openStream(on: connection.id, protocols: ["/hello"])
            #expect(try await stream.readText(upTo: 1_000) == "hello \(a.peerID)")
            #expect(stream.protocolID == "/hello")
            try await stream.finish()
        }
    }

    @Test("What is not offered to a peer is refused as if it were not served, and the peer is not told of it", arguments: [true, false])
    func audience(isOffered: Bool) async throws {
        let hello = ClosureHandler("/hello", audience: { _ in isOffered }) { stream, _ in try await stream.write(text: "hello") }
        try await self.connected([.echo, hello]) { a, b, connection in
            while b.connections().isEmpty { await Task.yield() }
            let told = await b.introductions.introduction(to: b.connections()[0].info).protocols
            #expect(told == (isOffered ? ["/echo", "/hello"] : ["/echo"]))
            let stream = try await a.openStream(on: connection.id, protocols: ["/hello"])
            do throws(StreamError) {
                let said = try await stream.readText(upTo: 1_000)
                #expect(isOffered && said == "hello")
            } catch {
                #expect(!isOffered && error.code == .protocolNotSupported)
            }
        }
    }

    @Test("One connection is found by its number while it lives, and those of a peer by the peer while they take new streams")
    func lookedUp() async throws {
        try await self.connected([.echo]) { a, b, connection in
            #expect(a.connection(connection.id)?.id == connection.id)
            #expect(a.connections(to: b.peerID).map(\.id) == [connection.id])
            #expect(a.connections(to: a.peerID).isEmpty && !a.isConnected(to: a.peerID))
            let second = try await a.connect(to: b.peerID, DialRequest(addresses: [connection.info.remoteAddress], forcesNew: true))
            #expect(a.connections(to: b.peerID).map(\.id) == [connection.id, second.id])
            await a.disconnect(connection.id)
            #expect(a.connection(connection.id) == nil)
            #expect(a.connections(to: b.peerID).map(\.id) == [second.id])
            a.swarm.retire(try #require(a.swarm.connection(second.id)))
            #expect(a.connections(to: b.peerID).isEmpty && a.isConnected(to: b.peerID) && a.connection(second.id) != nil)
            await a.disconnect(second.id)
            #expect(!a.isConnected(to: b.peerID) && a.connection(second.id) == nil)
        }
    }

    @Test("A protocol is served no more, while streams that there are live on; then its name is free")
    func stopsServing() async throws {
        try await self.connected([.echo]) { a, b, connection in
            let living = try await a.openStream(on: connection.id, protocols: ["/echo"])
            try await living.write(text: "1")
            #expect(try await living.readExactly(1) != nil)
            b.stopServing("/echo")
            let late = try await a.openStream(on: connection.id, protocols: ["/echo"])
            await #expect(throws: StreamError(.protocolNotSupported, "")) { try await late.read() }
            try await living.write(text: "2")
            #expect(try await living.readExactly(1) != nil)
            try await living.finish()
            try b.serve(ClosureHandler.echo)
        }
    }

    @Test(
        "A peer that has streams refused again and again is sent away with the reason, one that has patience is not",
        arguments: [true, false])
    func refusedAgainAndAgain(byHandler: Bool) async throws {
        let limits = StreamLimits(inboundPerPeer: byHandler ? 128 : 0, refusals: 200)
        let refusing = ClosureHandler("/refuse", limits: limits) { _, _ in throw StreamError(.rateLimited, "not now") }
        try await self.connected([refusing]) { a, b, connection in
            while b.connections().isEmpty { await Task.yield() }
            let entry = try #require(b.swarm.connection(b.connections()[0].id))
            func ask() async {
                guard let stream = try? await a.openStream(on: connection.id, protocols: ["/refuse"]) else { return }
                try? await stream.finish()
                _ = try? await stream.read()
            }
            // Half a minute lies between each hundred: for ever, if it likes.
            for _ in 0..<5 {
                for _ in 0..<100 { await ask() }
                self.world.clock.advance(.seconds(30))
            }
            for _ in 0..<199 { await ask() }
            #expect(entry.closingCode == nil)
            await ask()
            await entry.ended.wait()
            #expect(entry.closingCode == .rateLimited)
        }
    }

    @Test("A name that can't be negotiated is refused before anything is sent", arguments: ["na", "ls", ""])
    func unnegotiable(name: String) async throws {
        let hello = ClosureHandler("/hello") { stream, _ in try await stream.finish() }
        try await self.connected([hello]) { a, b, connection in
            let error = await #expect(throws: StreamError.self) {
                _ = try await a.openStream(on: connection.id, protocols: ["/hello", ProtocolID(name)])
            }
            #expect(error?.code == .invalidProtocol)
            await #expect(throws: StreamError(.invalidProtocol, "")) {
                _ = try await a.openStream(to: b.peerID, protocols: [ProtocolID(name)])
            }
            await #expect(throws: StreamError(.invalidProtocol, "")) {
                _ = try await a.openStream(to: b.peerID, protocols: [ProtocolID(name)])
            }
            #expect(a.statistics().streams == 0)
        }
    }

    @Test("A handler that throws resets its stream with a code")
    func throwing() async throws {
        let handlers = [
            ClosureHandler("/plain") { _, _ in throw Failure() },
            ClosureHandler("/malformed") { _, _ in throw StreamError(.malformed, "that is no message") },
            ClosureHandler("/limit") { _, _ in throw LimitError(limit: "patience", value: 1) },
        ]
        try await self.connected(handlers) { a, _, connection in
            for (protocolID, code) in [
                ("/plain", StreamErrorCode.cancelled), ("/malformed", .protocolViolation), ("/limit", .resourceLimitExceeded),
            ] {
                let stream = try await a.openStream(on: connection.id, protocols: [ProtocolID(protocolID)])
                let error = await #expect(throws: StreamError.self) { _ = try await stream.readToEnd(upTo: 100) }
                #expect(error?.code == .reset)
                #expect(error?.resetCode == code)
            }
        }
    }

    @Test("A connection that dies cancels its handlers")
    func lostConnection() async throws {
        let started = Signal()
        let cancelled = Signal()
        let hanging = ClosureHandler("/hang") { _, _ in
            started.fire()
            await Signal().wait()
            if Task.isCancelled { cancelled.fire() }
        }
        try await self.connected([hanging]) { a, b, connection in
            let events = b.events()
            let stream = try await a.openStream(on: connection.id, protocols: ["/hang"])
            try await stream.write(text: "x")
            await started.wait()
            self.world.network.connections[0].cut()
            await cancelled.wait()
            for await event in events {
                guard case .disconnected(let info, let reason) = event else { continue }
                #expect(info.remotePeer == a.peerID)
                #expect(reason.code == .lost)
                break
            }
            #expect(b.connections().isEmpty)
        }
        #expect(cancelled.isFired)
    }

    @Test("A handler that outlives its lifetime is cancelled and its stream reset")
    func lifetime() async throws {
        let cancelled = Signal()
        let hanging = ClosureHandler("/hang", limits: StreamLimits(lifetime: .seconds(60))) { _, _ in
            await Signal().wait()
            if Task.isCancelled { cancelled.fire() }
        }
        try await self.connected([hanging]) { a, _, connection in
            let start = self.world.clock.now
            let stream = try await a.openStream(on: connection.id, protocols: ["/hang"])
            try await stream.write(text: "x")
            await self.world.clock.sleeper(until: start + .seconds(60))
            self.world.clock.advance(.seconds(60))
            await cancelled.wait()
            let error = await #expect(throws: StreamError.self) { _ = try await stream.read() }
            #expect(error?.resetCode == .resourceLimitExceeded)
        }
    }

    @Test("A protocol that nobody serves shows at the first read")
    func notSupported() async throws {
        try await self.connected([.echo]) { a, _, connection in
            let stream = try await a.openStream(on: connection.id, protocols: ["/unknown"])
            try await stream.write(text: "x")
            await #expect(throws: StreamError(.protocolNotSupported, "")) { _ = try await stream.read() }
            await #expect(throws: StreamError(.protocolNotSupported, "")) {
                _ = try await a.openStream(on: connection.id, protocols: ["/unknown", "/also-unknown"])
            }
        }
    }

    @Test("That nobody serves a protocol shows at the first read, whatever was written and finished before", arguments: ["", "x", "hello"])
    func notSupportedBehindRequest(_ text: String) async throws {
        try await self.connected([.echo]) { a, _, connection in
            let stream = try await a.openStream(on: connection.id, protocols: ["/unknown"])
            if !text.isEmpty { try await stream.writeMessage(text: text) }
            try? await stream.finish()
            await #expect(throws: StreamError(.protocolNotSupported, "")) { _ = try await stream.read() }
        }
    }

    @Test("Of several proposals the first that the peer serves is spoken")
    func several() async throws {
        try await self.connected([.echo]) { a, _, connection in
            let stream = try await a.openStream(on: connection.id, protocols: ["/unknown", "/echo"])
            #expect(stream.protocolID == "/echo")
            try await stream.write(text: "again")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 100) == "again")
        }
    }

    @Test("What the peer has introduced is not negotiated again")
    func known() async throws {
        let served = Signal()
        let waiting = ClosureHandler("/waiting") { stream, _ in
            await served.wait()
            _ = try await stream.readToEnd(upTo: 100)
        }
        try await self.connected([waiting]) { a, b, connection in
            await a.introductions.introduced(Introduction(protocols: ["/other", "/waiting"]), on: connection.info)
            // Were this to wait for an answer, a dead connection would never give one.
            let stream = try await a.openStream(on: connection.id, protocols: ["/unknown", "/waiting"])
            #expect(stream.protocolID == "/waiting")
            #expect(await a.introductions.connections(serving: "/waiting").map(\.id) == [connection.id])
            #expect(await a.introductions.connections(serving: "/unknown").isEmpty)
            served.fire()
            try await stream.finish()
            #expect(try await stream.readToEnd(upTo: 1).isEmpty)
        }
    }

    @Test("A peer that never says what it wants is reset after the time for negotiation")
    func silentNegotiation() async throws {
        try await self.connected([.echo]) { a, b, connection in
            let start = self.world.clock.now
            let raw = try await self.world.network.connections[0].openStream()
            while b.swarm.connections.isEmpty || b.negotiations.count == 0 { await Task.yield() }
            try await self.world.clock.passing {
                await #expect(throws: StreamError(.reset, "")) { _ = try await raw.read() }
            }
            #expect(self.world.clock.now - start >= .seconds(10))
            #expect(b.connections().count == 1)
        }
    }

    @Test("Streams beyond a handler's limit are refused, those within it go on")
    func perPeerLimit() async throws {
        let gate = Signal()
        let started = Mutex(0)
        let waiting = ClosureHandler("/wait", limits: StreamLimits(inboundPerPeer: 2)) { stream, _ in
            started.withLock { $0 += 1 }
            await gate.wait()
            try await stream.write(text: "done")
        }
        try await self.connected([waiting]) { a, b, connection in
            var streams: [PeerStream] = []
            for count in 1...2 {
                let stream = try await a.openStream(on: connection.id, protocols: ["/wait"])
                try await stream.write(text: "x")
                streams.append(stream)
                while started.withLock({ $0 }) < count { await Task.yield() }
            }
            let third = try await a.openStream(on: connection.id, protocols: ["/wait"])
            try await third.write(text: "x")
            let error = await #expect(throws: StreamError.self) { _ = try await third.readToEnd(upTo: 10) }
            #expect(error?.resetCode == .resourceLimitExceeded)
            #expect(b.swarm.limits.counts.inboundStreams == 2)
            gate.fire()
            for stream in streams { #expect(try await stream.readText(upTo: 10) == "done") }
            while b.swarm.limits.counts.inboundStreams > 0 { await Task.yield() }
        }
    }

    @Test("A relayed connection is offered only the protocols that opt in")
    func limited() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.serve(ClosureHandler.echo)
        try b.serve(ClosureHandler("/modest", servesLimitedConnections: true) { stream, _ in try await stream.write(text: "here") })
        let address = try await b.listen(on: self.world.address(0))[0]
        self.world.network.set(.limited, at: address.withoutPeerID)
        try await self.world.run(a, b) {
            let connection = try await a.connect(to: address)
            #expect(connection.isLimited)
            let modest = try await a.openStream(on: connection.id, protocols: ["/modest"])
            #expect(try await modest.readText(upTo: 10) == "here")
            let echo = try await a.openStream(on: connection.id, protocols: ["/echo"])
            await #expect(throws: StreamError(.protocolNotSupported, "")) { _ = try await echo.read() }
        }
    }

    @Test("A stream to a peer that is not connected dials it where it is known to be")
    func dials() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.serve(ClosureHandler.echo)
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            let error = await #expect(throws: StreamError.self) { _ = try await a.openStream(to: b.peerID, protocols: ["/echo"]) }
            #expect(error?.code == .connectionLost)
            #expect((error?.cause as? DialError)?.code == .noAddresses)
            await a.peerstore.add([address], of: b.peerID, source: .given, timeToLive: .seconds(60))
            let stream = try await a.openStream(to: b.peerID, protocols: ["/echo"])
            try await stream.write(text: "again")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 10) == "again")
        }
    }

    @Test("A connection that is going away is left for a new one")
    func goingAway() async throws {
        let release = Signal()
        let holding = ClosureHandler("/hold") { stream, _ in await release.wait() }
        try await self.connected([.echo, holding]) { a, b, connection in
            let held = try await a.openStream(on: connection.id, protocols: ["/hold"])
            try await held.write(text: "x")
            while b.swarm.limits.counts.inboundStreams == 0 { await Task.yield() }
            async let goodbye: Void = self.world.network.connections[1].close(.normal, grace: .seconds(60))
            await self.world.network.connections[1].closing.wait()
            let stream = try await a.openStream(to: b.peerID, protocols: ["/echo"])
            try await stream.write(text: "again")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 10) == "again")
            #expect(self.world.network.dialled.count == 2)
            release.fire()
            // The goodbye may be over first, and the stream with it.
            try? await held.finish()
            await goodbye
        }
    }
}
