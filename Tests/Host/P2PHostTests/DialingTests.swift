import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@testable import P2PHost

@Suite("Dialing", .timeLimit(.minutes(1)))
struct DialingTests {
    private let world = FakeWorld()

    @Test("A live connection is reused")
    func reuse() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        try await self.world.run(a, b) {
            let first = try await a.connect(to: address)
            let second = try await a.connect(to: b.peerID)
            #expect(first.id == second.id)
            #expect(first.remotePeer == b.peerID)
            #expect(self.world.network.dialled == [address.withoutPeerID])
        }
    }

    @Test("Simultaneous dials to one peer share one connection")
    func simultaneous() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let gate = Signal()
        self.world.network.set(.gate(gate, isStubborn: false), at: address.withoutPeerID)
        try await self.world.run(a, b) {
            let ids = try await withThrowingTaskGroup(of: ConnectionID.self) { group in
                for _ in 0..<20 { group.addTask { try await a.connect(to: address).id } }
                await self.world.network.dialled(atLeast: 1)
                gate.fire()
                var ids: Set<ConnectionID> = []
                for try await id in group { ids.insert(id) }
                return ids
            }
            #expect(ids.count == 1)
            #expect(self.world.network.dialled.count == 1)
            #expect(a.connections().count == 1)
        }
    }

    @Test("Two hosts that dial each other at once get a connection each, and both serve")
    func eachOther() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let gate = Signal()
        var addresses: [Multiaddr] = []
        for host in [a, b] {
            try host.serve(ClosureHandler.echo)
            addresses.append(try await host.listen(on: self.world.address(0))[0])
            self.world.network.set(.gate(gate, isStubborn: false), at: addresses[addresses.count - 1].withoutPeerID)
        }
        let (toA, toB) = (addresses[0], addresses[1])
        try await self.world.run(a, b) {
            async let fromA = a.connect(to: toB)
            async let fromB = b.connect(to: toA)
            await self.world.network.dialled(atLeast: 2)
            gate.fire()
            let dialled = (try await fromA, try await fromB)
            #expect(dialled.0.role == .dialer && dialled.0.remotePeer == b.peerID)
            #expect(dialled.1.role == .dialer && dialled.1.remotePeer == a.peerID)
            for host in [a, b] {
                while host.connections().count < 2 { await Task.yield() }
                #expect(Set(host.connections().map(\.role)) == [.dialer, .listener])
                for connection in host.connections() {
                    let stream = try await host.openStream(on: connection.id, protocols: ["/echo"])
                    try await stream.write(text: "over both")
                    try await stream.finish()
                    #expect(try await stream.readText(upTo: 100) == "over both")
                }
            }
            await a.disconnect(b.peerID)
            while b.connections().count > 0 { await Task.yield() }
            for host in [a, b] { #expect(host.swarm.limits.counts == ConnectionLimits.Counts()) }
        }
    }

    @Test("Outside of run there is no dialing")
    func notRunning() async throws {
        let host = try self.world.host()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        await #expect(throws: DialError(.notRunning, "")) { try await host.connect(to: peer, at: [self.world.address(1)]) }
        try await self.world.run(host) {}
        await #expect(throws: DialError(.notRunning, "")) { try await host.connect(to: peer, at: [self.world.address(1)]) }
        await #expect(throws: HostError(.alreadyRun, "")) { try await host.run() }
    }

    @Test("An address that names no peer is refused, unless any peer will do")
    func anyPeer() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0].withoutPeerID
        try await self.world.run(a, b) {
            await #expect(throws: DialError(.peerRequired, "")) { try await a.connect(to: address) }
            #expect(self.world.network.dialled.isEmpty)
            let connection = try await a.connect(toAnyPeerAt: address)
            #expect(connection.remotePeer == b.peerID)
        }
    }

    @Test("A node does not dial itself, by its id or by its address")
    func selfDial() async throws {
        let host = try self.world.host()
        let address = try await host.listen(on: self.world.address(0))[0]
        try await self.world.run(host) {
            await #expect(throws: DialError(.selfDial, "")) { try await host.connect(to: address) }
            #expect(self.world.network.dialled.isEmpty)
            await #expect(throws: DialError(.peerMismatch, "")) { try await host.connect(toAnyPeerAt: address.withoutPeerID) }
            #expect(host.connections().isEmpty)
            for connection in self.world.network.connections { await connection.ended.wait() }
        }
    }

    @Test("Another peer than the expected one is refused, and the connection closed")
    func wrongPeer() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        try await self.world.run(a, b) {
            let error = await #expect(throws: DialError.self) { try await a.connect(to: address.withPeerID(other)) }
            #expect(error?.code == .peerMismatch)
            #expect(error?.attempts.map(\.address) == [address.withoutPeerID])
            for connection in self.world.network.connections { await connection.ended.wait() }
            #expect(a.connections().isEmpty)
        }
    }

    @Test("A failed dial names every address with its reason")
    func everyReason() async throws {
        let host = try self.world.host()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let refused = self.world.address(1)
        let nobody = self.world.address(2)
        let foreign = Multiaddr("/memory/elsewhere")
        let misnamed = self.world.address(3).withPeerID(other)
        self.world.network.set(.refuse(TransportError(.unreachable, "connection refused")), at: refused)
        try await self.world.run(host) {
            let error = await #expect(throws: DialError.self) {
                try await host.connect(to: peer, at: [refused, nobody, foreign, misnamed])
            }
            #expect(error?.code == .allAddressesFailed)
            let codes = Dictionary(uniqueKeysWithValues: error?.attempts.map { ($0.address, $0.error.code) } ?? [])
            #expect(codes == [refused: .unreachable, nobody: .unreachable, foreign: .unsupportedAddress, misnamed: .peerMismatch])
            for address in [refused, nobody, foreign, misnamed] { #expect(error?.message.contains(address.description) == true) }
        }
    }

    @Test("Of a hundred dead addresses no more are open at once than the limit, and what was lent goes back")
    func deadAddresses() async throws {
        let host = try self.world.host()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let addresses = (1...100).map { self.world.address($0) }
        for address in addresses { self.world.network.set(.silence, at: address) }
        try await self.world.run(host) {
            try await self.world.clock.passing(.milliseconds(20)) {
                let error = await #expect(throws: DialError.self) { try await host.connect(to: peer, at: addresses, timeout: .seconds(3)) }
                #expect(error?.code == .timedOut)
                #expect(error?.attempts.count == 100)
                #expect(Set(error?.attempts.map(\.address) ?? []) == Set(addresses))
            }
            #expect(Set(self.world.network.dialled) == Set(addresses))
            #expect(self.world.network.mostInFlight == DialLimits().openAttempts)
            // The dial's end is told before the last of its attempts have gone.
            while self.world.network.inFlight > 0 || host.statistics().dials > 0 || host.swarm.dialPlaces.count > 0 { await Task.yield() }
        }
    }

    @Test("A hundred dead addresses do not keep the one that works from being reached, by name and by the peerstore")
    func oneAmongDead() async throws {
        let (a, b, c) = (try self.world.host(), try self.world.host(), try self.world.host())
        let good = try await b.listen(on: self.world.address(0))[0].withoutPeerID
        let dead = (1...100).map { self.world.address($0) }
        for address in dead { self.world.network.set(.silence, at: address) }
        await c.peerstore.add(Array(dead.prefix(20)) + [good], of: b.peerID, source: .given, timeToLive: .seconds(600))
        try await self.world.run(a, b, c) {
            try await self.world.clock.passing(.milliseconds(20)) {
                let connection = try await a.connect(to: b.peerID, at: dead + [good])
                #expect(connection.remoteAddress == good)
                #expect(try await c.connect(to: b.peerID).remoteAddress == good)
            }
            await a.disconnect(b.peerID)
            while a.swarm.dialPlaces.count + c.swarm.dialPlaces.count > 0 { await Task.yield() }
            // What answered last time goes first, and alone.
            let count = self.world.network.dialled.count
            _ = try await a.connect(to: b.peerID, at: dead + [good])
            #expect(self.world.network.dialled.dropFirst(count) == [good])
        }
    }

    @Test("Failures do not wait for the stagger: a hundred refusals end at once")
    func refusals() async throws {
        let host = try self.world.host()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let addresses = (1...100).map { self.world.address($0) }
        for address in addresses { self.world.network.set(.refuse(TransportError(.unreachable, "refused")), at: address) }
        try await self.world.run(host) {
            let error = await #expect(throws: DialError.self) { try await host.connect(to: peer, at: addresses) }
            #expect(error?.code == .allAddressesFailed)
            #expect(error?.attempts.count == 100)
            #expect(self.world.network.dialled == addresses)
        }
    }

    @Test("The first winner is kept and the losers are closed")
    func losers() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let slow = try await b.listen(on: self.world.address(0))[0]
        let fast = try await b.listen(on: self.world.address(0))[0]
        let gate = Signal()
        self.world.network.set(.gate(gate, isStubborn: true), at: slow.withoutPeerID)
        let start = self.world.clock.now
        try await self.world.run(a, b) {
            async let dial = a.connect(to: b.peerID, at: [slow, fast])
            // Its turn may be over before its task has run: a dial that was called off by then never begins.
            await self.world.network.dialled(atLeast: 1)
            await self.world.clock.sleeper(until: start + .milliseconds(30))
            self.world.clock.advance(.milliseconds(30))
            let winner = try await dial
            #expect(winner.remoteAddress == fast.withoutPeerID)
            gate.fire()
            await self.world.network.dialled(atLeast: 2)
            while self.world.network.connections.count < 4 { await Task.yield() }
            let loser = self.world.network.connections[2]
            await loser.ended.wait()
            #expect(loser.closeCodes == [.supplanted])
            #expect(a.connections().map(\.id) == [winner.id])
        }
    }

    @Test("Cancelling the only caller cancels the dial; another caller keeps it going")
    func cancelling() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        let address = try await b.listen(on: self.world.address(0))[0]
        let gate = Signal()
        self.world.network.set(.gate(gate, isStubborn: false), at: address.withoutPeerID)
        try await self.world.run(a, b) {
            let only = Task { try await a.connect(to: address) }
            await self.world.network.dialled(atLeast: 1)
            only.cancel()
            await #expect(throws: DialError(.cancelled, "")) { try await only.value }
            // The dial's end is told before its attempts have gone.
            while a.statistics().dials > 0 || self.world.network.inFlight > 0 { await Task.yield() }

            let first = Task { try await a.connect(to: address) }
            await self.world.network.dialled(atLeast: 2)
            let second = Task { try await a.connect(to: address) }
            while !a.swarm.isAwaited(b.peerID, by: 2) { await Task.yield() }
            first.cancel()
            await #expect(throws: DialError(.cancelled, "")) { try await first.value }
            gate.fire()
            let connection = try await second.value
            #expect(connection.remotePeer == b.peerID)
            #expect(self.world.network.dialled.count == 2)
        }
    }

    @Test("Once there is a direct connection, new streams use it, and not the limited one")
    func takesOver() async throws {
        let (a, b) = (try self.world.host(), try self.world.host())
        try b.serve(ClosureHandler.echo)
        let relayed = try await b.listen(on: self.world.address(0))[0]
        let direct = try await b.listen(on: self.world.address(0))[0]
        self.world.network.set(.limited, at: relayed.withoutPeerID)
        try await self.world.run(a, b) {
            let limited = try await a.connect(to: relayed)
            #expect(limited.isLimited)
            // Handlers do not serve limited connections unless they say so.
            await #expect(throws: StreamError.self) {
                let stream = try await a.openStream(to: b.peerID, protocols: ["/echo"])
                try await stream.write(text: "refused")
                _ = try await stream.read()
            }
            let connection = try await a.connect(to: direct)
            #expect(!connection.isLimited)
            let stream = try await a.openStream(to: b.peerID, protocols: ["/echo"])
            try await stream.write(text: "direct")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 100) == "direct")
            #expect(a.connections().map(\.id) == [limited.id, connection.id])
        }
    }

    @Test("An address that failed lately is left alone, unless the user names it")
    func backOff() async throws {
        let host = try self.world.host()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let address = self.world.address(1)
        self.world.network.set(.refuse(TransportError(.unreachable, "refused")), at: address)
        await host.peerstore.add([address], of: peer, source: .given, timeToLive: .seconds(600))
        try await self.world.run(host) {
            await #expect(throws: DialError(.allAddressesFailed, "")) { try await host.connect(to: peer) }
            let error = await #expect(throws: DialError.self) { try await host.connect(to: peer) }
            #expect(error?.attempts.first?.error.message.contains("left alone") == true)
            #expect(self.world.network.dialled.count == 1)
            await #expect(throws: DialError(.allAddressesFailed, "")) { try await host.connect(to: peer, at: [address]) }
            #expect(self.world.network.dialled.count == 2)
            self.world.clock.advance(.seconds(6))
            await #expect(throws: DialError(.allAddressesFailed, "")) { try await host.connect(to: peer) }
            #expect(self.world.network.dialled.count == 3)
        }
    }

    @Test("Dials beyond the limit are refused by name")
    func tooMany() async throws {
        var configuration = HostConfiguration()
        configuration.limits.dials = 2
        let host = try self.world.host(configuration)
        let address = self.world.address(1)
        self.world.network.set(.silence, at: address)
        try await self.world.run(host) {
            var running: [Task<PeerConnection, any Error>] = []
            for count in 1...2 {
                let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
                running.append(Task { try await host.connect(to: peer, at: [address]) })
                await self.world.network.dialled(atLeast: count)
            }
            let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
            let error = await #expect(throws: DialError.self) { try await host.connect(to: peer, at: [address]) }
            #expect(error?.code == .resourceLimit)
            #expect(error?.cause as? LimitError == LimitError(limit: "dials", value: 2))
            for task in running { task.cancel() }
            for task in running { _ = await task.result }
        }
    }

    @Test("A shutdown ends the dials that are under way")
    func shutdown() async throws {
        let host = try self.world.host()
        let address = self.world.address(1)
        self.world.network.set(.silence, at: address)
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let dial = Mutex<Task<PeerConnection, any Error>?>(nil)
        try await self.world.run(host) {
            dial.withLock { $0 = Task { try await host.connect(to: peer, at: [address]) } }
            await self.world.network.dialled(atLeast: 1)
        }
        await #expect(throws: DialError(.notRunning, "")) { try await dial.withLock { $0 }?.value }
    }
}
