import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("The life of a host", .timeLimit(.minutes(1)))
struct LifecycleTests {
    private let world = FakeWorld()

    @Test("A graceful shutdown stops listening, says goodbye, and lets streams end")
    func graceful() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let release = Signal()
        let started = Signal()
        try b.serve(
            ClosureHandler("/slow") { stream, _ in
                started.fire()
                await release.wait()
                try await stream.write(text: Task.isCancelled ? "cancelled" : "in time")
            })
        let events = b.events()
        let address = try await b.listen(on: self.world.address(0))[0]
        let listener = try #require(self.world.network.listener(at: address.withoutPeerID))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await a.run() }
            group.addTask { try await b.run() }
            await a.waitUntilRunning()
            await b.waitUntilRunning()
            let stream = try await a.openStream(on: try await a.connect(to: address).id, protocols: ["/slow"])
            try await stream.write(text: "x")
            try await stream.finish()
            await started.wait()
            b.shutDown()
            let listenersEnd = self.world.network.connections[1]
            await listener.stopped.wait()
            await listenersEnd.closing.wait()
            #expect(listenersEnd.closeCodes == [.shutdown])
            #expect(b.connections().count == 1)
            release.fire()
            #expect(try await stream.readText(upTo: 100) == "in time")
            await listenersEnd.ended.wait()
            a.shutDown()
            try await group.waitForAll()
        }
        #expect(b.statistics().tasks == 0)
        #expect(b.statistics().connections == 0)
        var kinds: [String] = []
        for await event in events {
            switch event {
            case .listening: kinds.append("listening")
            case .connected: kinds.append("connected")
            case .stoppedListening: kinds.append("stoppedListening")
            case .disconnected(_, let reason):
                kinds.append("disconnected")
                #expect(reason.code == .closed)
            default: break
            }
        }
        // The two ends are events of two tasks.
        #expect(kinds.prefix(2) == ["listening", "connected"] && Set(kinds.dropFirst(2)) == ["stoppedListening", "disconnected"])
        #expect(kinds.count == 4)
    }

    @Test("A module that does not end keeps nobody out of the goodbye, and lets nobody in")
    func slowModule() async throws {
        let (a, started, release) = (try self.world.host(), Signal(), Signal())
        let stuck = HostService("stuck") { _ in
            started.fire()
            await Task.detached { await release.wait() }.value
        }
        let b = try self.world.host { $0.services.append(stuck) }
        let address = try await b.listen(on: self.world.address(0))[0]
        let listener = try #require(self.world.network.listener(at: address.withoutPeerID))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await a.run() }
            group.addTask { try await b.run() }
            await a.waitUntilRunning()
            await b.waitUntilRunning()
            let events = b.events()
            _ = try await a.connect(to: address)
            // Whom the listener has not taken in yet is sent away at once.
            for await case .connected in events { break }
            await started.wait()
            let start = self.world.clock.now
            let listenersEnd = self.world.network.connections[1]
            b.shutDown()
            await listener.stopped.wait()
            await self.world.clock.sleeper(until: start + .seconds(1))
            await #expect(throws: DialError(.notRunning, "")) { _ = try await b.connect(toAnyPeerAt: self.world.address(9)) }
            #expect(listenersEnd.closeCodes.isEmpty)
            self.world.clock.advance(.seconds(1))
            await listenersEnd.closing.wait()
            #expect(listenersEnd.closeCodes == [.shutdown])
            release.fire()
            a.shutDown()
            try await self.world.clock.passing { try await group.waitForAll() }
        }
        #expect(b.statistics().tasks == 0)
    }

    @Test("A listener that fails is bound again, more slowly each time, on the port that it had, and the host says so")
    func revival() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let events = b.events()
        let address = try await b.listen(on: self.world.address(0))[0]
        let listener = try #require(self.world.network.listener(at: address.withoutPeerID))
        try await self.world.run(a, b) {
            var start = self.world.clock.now
            self.world.network.bindFailures.withLock { $0 = 2 }
            listener.failure.withLock { $0 = TransportError(.closed, "the system closed the socket") }
            listener.arrivals.finish()
            for pause in [100, 200, 400] {
                await self.world.clock.sleeper(until: start + .milliseconds(Int64(pause)))
                #expect(b.listenAddresses.isEmpty)
                self.world.clock.advance(.milliseconds(Int64(pause)))
                start = self.world.clock.now
            }
            var said: [String] = []
            for await event in events {
                switch event {
                case .listening(let where_): said.append("listening on \(where_.withoutPeerID)")
                case .stoppedListening(let where_): said.append("stopped on \(where_.withoutPeerID)")
                default: break
                }
                if said.count == 3 { break }
            }
            let bare = address.withoutPeerID
            #expect(said == ["listening on \(bare)", "stopped on \(bare)", "listening on \(bare)"])
            let connection = try await a.connect(to: address)
            #expect(connection.remotePeer == b.peerID)
        }
        #expect(b.statistics().tasks == 0)
    }

    @Test("A host that is shut down binds nothing again")
    func revivalEnds() async throws {
        let b = try self.world.host()
        let address = try await b.listen(on: self.world.address(0))[0]
        let listener = try #require(self.world.network.listener(at: address.withoutPeerID))
        try await self.world.run(b) {
            let start = self.world.clock.now
            listener.failure.withLock { $0 = TransportError(.closed, "the system closed the socket") }
            listener.arrivals.finish()
            await self.world.clock.sleeper(until: start + .milliseconds(100))
        }
        #expect(b.statistics().tasks == 0)
        #expect(self.world.network.listener(at: address.withoutPeerID) === listener)
    }

    @Test("Streams that do not end within the grace are cancelled")
    func graceEnds() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let (started, cancelled) = (Signal(), Signal())
        try b.serve(
            ClosureHandler("/hang") { _, _ in
                started.fire()
                await Signal().wait()
                if Task.isCancelled { cancelled.fire() }
            })
        let address = try await b.listen(on: self.world.address(0))[0]
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await a.run() }
            group.addTask { try await b.run() }
            await a.waitUntilRunning()
            await b.waitUntilRunning()
            let stream = try await a.openStream(on: try await a.connect(to: address).id, protocols: ["/hang"])
            try await stream.write(text: "x")
            await started.wait()
            let start = self.world.clock.now
            b.shutDown()
            await self.world.clock.sleeper(until: start + .seconds(5))
            #expect(!cancelled.isFired)
            self.world.clock.advance(.seconds(5))
            await cancelled.wait()
            a.shutDown()
            try await group.waitForAll()
        }
        #expect(b.statistics().tasks == 0)
    }

    @Test("Cancelling run leaves out the grace")
    func cancelled() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let started = Signal()
        try b.serve(
            ClosureHandler("/hang") { _, _ in
                started.fire()
                await Signal().wait()
            })
        let address = try await b.listen(on: self.world.address(0))[0]
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await a.run() }
            group.addTask { try await b.run() }
            await a.waitUntilRunning()
            await b.waitUntilRunning()
            let stream = try await a.openStream(on: try await a.connect(to: address).id, protocols: ["/hang"])
            try await stream.write(text: "x")
            await started.wait()
            group.cancelAll()
            try await group.waitForAll()
        }
        for host in [a, b] {
            #expect(host.statistics().tasks == 0)
            #expect(host.statistics().connections == 0)
        }
        for connection in self.world.network.connections { #expect(connection.ended.isFired) }
        #expect(self.world.network.connections.flatMap(\.closeCodes).contains(.shutdown))
    }

    @Test("Disconnecting ends every connection to the peer, handlers included")
    func disconnect() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let events = a.events()
        try await self.world.run(a, b) {
            _ = try await a.connect(toAnyPeerAt: address.withoutPeerID)
            _ = try await a.connect(toAnyPeerAt: address.withoutPeerID)
            #expect(a.connections().count == 2)
            await a.disconnect(b.peerID)
            #expect(a.connections().isEmpty)
            #expect(a.statistics().connections == 0)
            var reasons: [ConnectionError.Code] = []
            for await event in events {
                guard case .disconnected(_, let reason) = event else { continue }
                reasons.append(reason.code)
                if reasons.count == 2 { break }
            }
            #expect(reasons == [.closed, .closed])
        }
    }

    @Test("A slow subscriber is told how much it lost")
    func overflow() async throws {
        let host = try self.world.host()
        let events = host.events()
        for port in 1...(HostEventBus.backlog + 100) {
            host.swarm.events.post(.listening(self.world.address(UInt16(truncatingIfNeeded: port))))
        }
        var iterator = events.makeAsyncIterator()
        var seen = 0
        var lost = 0
        while lost == 0, let event = await iterator.next() {
            if case .lost(let count) = event { lost = count } else { seen += 1 }
        }
        #expect(seen == HostEventBus.backlog)
        #expect(lost == 100)
    }

    @Test("A greeting runs once for each connection, on both sides, and is cancelled with it")
    func greetings() async throws {
        final class Greeting: ConnectionGreeting {
            let runs = Atomic(0)
            let started = Signal()
            let cancelled = Signal()

            func greet(_ connection: PeerConnection) async {
                self.runs.wrappingAdd(1, ordering: .relaxed)
                self.started.fire()
                await Signal().wait()
                if Task.isCancelled { self.cancelled.fire() }
            }
        }
        let greetings = [Greeting(), Greeting()]
        let a = try self.world.host { $0.greetings = [greetings[0]] }
        let b = try self.world.host { $0.greetings = [greetings[1]] }
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            _ = try await a.connect(to: address)
            for greeting in greetings { await greeting.started.wait() }
            await a.disconnect(b.peerID)
            for greeting in greetings { await greeting.cancelled.wait() }
        }
        #expect(greetings.map { $0.runs.load(ordering: .relaxed) } == [1, 1])
    }

    @Test("A module's service is cancelled at the end")
    func services() async throws {
        let cancelled = Signal()
        let service = HostService("test") { _ in
            await Signal().wait()
            if Task.isCancelled { cancelled.fire() }
        }
        let host = try self.world.host { $0.services = [service] }
        try await self.world.run(host) {}
        #expect(cancelled.isFired)
    }

    @Test("A protocol has one handler, and a sound name")
    func registration() throws {
        let host = try self.world.host()
        try host.serve(ClosureHandler.echo)
        #expect(throws: HostError(.protocolTaken, "")) { try host.serve(ClosureHandler("/new", "/echo") { _, _ in }) }
        #expect(throws: HostError(.invalidProtocol, "")) { try host.serve(ClosureHandler("") { _, _ in }) }
        #expect(throws: HostError(.invalidProtocol, "")) { try host.serve(ClosureHandler("/line\nbreak") { _, _ in }) }
        for word in ["na", "ls"] {
            let error = #expect(throws: HostError.self) { try host.serve(ClosureHandler(ProtocolID(word)) { _, _ in }) }
            #expect(error?.code == .invalidProtocol)
            #expect(error?.message.contains("multistream-select's own") == true)
        }
        try host.serve(ClosureHandler("/new") { _, _ in })
    }
}
