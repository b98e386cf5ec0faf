import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization
import Testing

@Suite("Dial requests", .timeLimit(.minutes(1)))
struct DialRequestTests {
    private let world = FakeWorld()

    private var deadline: NIODeadline { self.world.clock.now + .seconds(15) }

    private func relay(_ address: Multiaddr) throws -> Multiaddr {
        let relay = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        return try address.withPeerID(relay).appending(MultiaddrComponent(.p2pCircuit))
    }

    // MARK: Direct and limited connections

    @Test("Who wants a direct connection gets one beside the limited one, and new streams take it")
    func directOnly() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let (far, near) = (try await b.listen(on: self.world.address(0))[0], try await b.listen(on: self.world.address(0))[0])
        self.world.network.set(.limited, at: far)
        try await self.world.run(a, b) {
            let limited = try await a.dial(b.localPeer, DialRequest(addresses: [far]), deadline: self.deadline)
            #expect(limited.info.isLimited)
            #expect(try await a.dial(b.localPeer, DialRequest(), deadline: self.deadline) === limited)
            let relayed = try self.relay(near)
            let direct = try await a.dial(
                b.localPeer, DialRequest(addresses: [relayed, near], allowsLimited: false), deadline: self.deadline)
            #expect(!direct.info.isLimited)
            #expect(self.world.network.dialled == [far, near])
            #expect(a.connection(to: b.localPeer) === direct)
            #expect(a.connections.count == 2)
            // And it is taken for the next that asks for one.
            #expect(try await a.dial(b.localPeer, DialRequest(allowsLimited: false), deadline: self.deadline) === direct)
        }
    }

    @Test("A limited connection is none for who wants a direct one, whatever its address said")
    func unexpectedlyLimited() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let address = try await b.listen(on: self.world.address(0))[0]
        self.world.network.set(.limited, at: address)
        try await self.world.run(a, b) {
            let relayed = try self.relay(address)
            let error = await #expect(throws: DialError.self) {
                try await a.dial(b.localPeer, DialRequest(addresses: [relayed, address], allowsLimited: false), deadline: self.deadline)
            }
            #expect(error?.attempts.map(\.address) == [relayed, address])
            #expect(error?.attempts.map(\.error.code) == [.unsupportedOptions, .unsupportedOptions])
            #expect(a.connections.isEmpty)
            for connection in self.world.network.connections { await connection.ended.wait() }
        }
    }

    @Test("Who names a direct address is not put off with a limited connection, but gets it when there is no better one")
    func betterWay() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let (far, near) = (try await b.listen(on: self.world.address(0))[0], try await b.listen(on: self.world.address(0))[0])
        let dead = self.world.address(1)
        self.world.network.set(.limited, at: far)
        try await self.world.run(a, b) {
            let limited = try await a.dial(b.localPeer, DialRequest(addresses: [far]), deadline: self.deadline)
            let relayed = try self.relay(near)
            #expect(try await a.dial(b.localPeer, DialRequest(addresses: [relayed]), deadline: self.deadline) === limited)
            #expect(self.world.network.dialled == [far])
            #expect(try await a.dial(b.localPeer, DialRequest(addresses: [dead, relayed]), deadline: self.deadline) === limited)
            #expect(self.world.network.dialled == [far, dead])
            let direct = try await a.dial(b.localPeer, DialRequest(addresses: [near]), deadline: self.deadline)
            #expect(!direct.info.isLimited)
        }
    }

    @Test("A limited connection is enough for who waits; a direct one that comes a moment later takes over")
    func takesOver() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let (far, near) = (try await b.listen(on: self.world.address(0))[0], try await b.listen(on: self.world.address(0))[0])
        let (gate, start) = (Signal(), self.world.clock.now)
        self.world.network.set(.limited, at: far)
        self.world.network.set(.gate(gate, isStubborn: false), at: near)
        try await self.world.run(a, b) {
            async let dial = a.dial(b.localPeer, DialRequest(addresses: [near, far]), deadline: self.deadline)
            await self.world.network.dialled(atLeast: 1)
            await self.world.clock.sleeper(until: start + .milliseconds(30))
            self.world.clock.advance(.milliseconds(30))
            let limited = try await dial
            #expect(limited.info.isLimited)
            #expect(a.connection(to: b.localPeer) === limited)
            #expect(a.dialCount == 1)
            gate.fire()
            while a.dialCount > 0 { await Task.yield() }
            #expect(a.connection(to: b.localPeer)?.info.remoteAddress == near)
            #expect(a.connections.count == 2)
        }
    }

    @Test("Nobody waits for a better connection for longer than one address has time")
    func noBetter() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let far = try await b.listen(on: self.world.address(0))[0]
        let (dead, start) = (self.world.address(1), self.world.clock.now)
        self.world.network.set(.limited, at: far)
        self.world.network.set(.silence, at: dead)
        try await self.world.run(a, b) {
            async let dial = a.dial(b.localPeer, DialRequest(addresses: [dead, far]), deadline: self.deadline)
            await self.world.network.dialled(atLeast: 1)
            await self.world.clock.sleeper(until: start + .milliseconds(30))
            self.world.clock.advance(.milliseconds(30))
            let limited = try await dial
            await self.world.clock.sleeper(until: start + .milliseconds(10_030))
            #expect(a.dialCount == 1)
            self.world.clock.advance(.seconds(10))
            while a.dialCount > 0 { await Task.yield() }
            #expect(a.connection(to: b.localPeer) === limited)
        }
    }

    // MARK: Dials of their own

    @Test("A forced dial makes a connection beside the one that there is, and joins no other dial")
    func forced() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let address = try await b.listen(on: self.world.address(0))[0]
        let request = DialRequest(addresses: [address], forcesNew: true)
        try await self.world.run(a, b) {
            let first = try await a.dial(b.localPeer, DialRequest(addresses: [address]), deadline: self.deadline)
            let second = try await a.dial(b.localPeer, request, deadline: self.deadline)
            #expect(first !== second)
            #expect(a.connections.count == 2)
            let gate = Signal()
            self.world.network.set(.gate(gate, isStubborn: false), at: address)
            async let third = a.dial(b.localPeer, request, deadline: self.deadline)
            async let fourth = a.dial(b.localPeer, request, deadline: self.deadline)
            await self.world.network.dialled(atLeast: 4)
            gate.fire()
            let entries = (try await third, try await fourth)
            #expect(entries.0 !== entries.1)
        }
    }

    @Test("Role and local address reach the transport; a request with others has a dial of its own")
    func options() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let address = try await b.listen(on: self.world.address(0))[0]
        let gate = Signal()
        self.world.network.set(.gate(gate, isStubborn: false), at: address)
        let own = DialRequest(addresses: [address], role: .listener, localAddress: self.world.address(4_001))
        try await self.world.run(a, b) {
            async let plain = a.dial(b.localPeer, DialRequest(addresses: [address]), deadline: self.deadline)
            await self.world.network.dialled(atLeast: 1)
            async let special = a.dial(b.localPeer, own, deadline: self.deadline)
            await self.world.network.dialled(atLeast: 2)
            let options = self.world.network.options
            #expect(options.map(\.role) == [.dialer, .listener])
            #expect(options.map(\.localAddress) == [nil, self.world.address(4_001)])
            gate.fire()
            let entries = (try await plain, try await special)
            #expect(entries.0 !== entries.1)
        }
    }

    @Test("An address that could not be dialled in a special way is not left alone for that")
    func noBackOff() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let address = try await b.listen(on: self.world.address(0))[0]
        self.world.network.set(.refuse(TransportError(.unsupportedOptions, "not from there")), at: address)
        await a.peerstore.add([address], of: b.localPeer, source: .given, timeToLive: .seconds(600))
        try await self.world.run(a, b) {
            let special = DialRequest(localAddress: self.world.address(4_001))
            await #expect(throws: DialError(.allAddressesFailed, "")) {
                try await a.dial(b.localPeer, special, deadline: self.deadline)
            }
            self.world.network.clear(address)
            _ = try await a.dial(b.localPeer, DialRequest(), deadline: self.deadline)
        }
    }

    // MARK: Joining

    @Test("The addresses of a later caller are tried at once, and both get the connection")
    func joiner() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let live = try await b.listen(on: self.world.address(0))[0]
        let dead = self.world.address(1)
        self.world.network.set(.silence, at: dead)
        try await self.world.run(a, b) {
            async let first = a.dial(b.localPeer, DialRequest(addresses: [dead]), deadline: self.deadline)
            await self.world.network.dialled(atLeast: 1)
            let second = try await a.dial(b.localPeer, DialRequest(addresses: [live]), deadline: self.deadline)
            #expect(second.info.remoteAddress == live)
            let other = try await first
            #expect(other === second)
            #expect(self.world.network.dialled == [dead, live])
            #expect(a.connections.count == 1)
        }
    }

    @Test("Each caller is told at their own deadline, and a later one prolongs the dial")
    func deadlines() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let live = try await b.listen(on: self.world.address(0))[0]
        let (dead, gate, start) = (self.world.address(1), Signal(), self.world.clock.now)
        self.world.network.set(.silence, at: dead)
        self.world.network.set(.gate(gate, isStubborn: false), at: live)
        try await self.world.run(a, b) {
            let first = Task { try await a.dial(b.localPeer, DialRequest(addresses: [dead]), deadline: start + .seconds(5)) }
            await self.world.network.dialled(atLeast: 1)
            let second = Task { try await a.dial(b.localPeer, DialRequest(addresses: [live]), deadline: start + .seconds(20)) }
            await self.world.network.dialled(atLeast: 2)
            await self.world.clock.sleeper(until: start + .seconds(5))
            self.world.clock.advance(.seconds(5))
            let error = await #expect(throws: DialError.self) { try await first.value }
            #expect(error?.code == .timedOut)
            #expect(error?.attempts.map(\.address) == [dead, live])
            await self.world.clock.sleeper(until: start + .seconds(20))
            gate.fire()
            let entry = try await second.value
            #expect(entry.info.remoteAddress == live)
        }
    }

    @Test("Those who join bring no more addresses than one dial looks at")
    func manyJoiners() async throws {
        let swarm = try self.world.swarm()
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        for port in 1...1_000 { self.world.network.set(.silence, at: self.world.address(UInt16(port))) }
        let (deadline, start) = (self.deadline, self.world.clock.now)
        try await self.world.run(swarm) {
            let callers = (0..<10).map { caller in
                Task {
                    let addresses = (1...100).map { self.world.address(UInt16(caller * 100 + $0)) }
                    return try await swarm.dial(peer, DialRequest(addresses: addresses), deadline: deadline)
                }
            }
            while !swarm.isAwaited(peer, by: 10) { await Task.yield() }
            await self.world.network.dialled(atLeast: 1)
            await self.world.clock.sleeper(until: start + .milliseconds(30))
            self.world.clock.advance(.seconds(15))
            for caller in callers {
                let error = await #expect(throws: DialError.self) { try await caller.value }
                #expect(error?.code == .timedOut)
                #expect(error?.attempts.count == SwarmConfiguration.maximumAddressesPerDial + SwarmConfiguration.maximumRefusalsPerDial)
            }
        }
    }

    // MARK: Progress

    @Test("A connection in its handshakes holds the next address back, for a second at most")
    func progress() async throws {
        let (a, b) = (try self.world.swarm(), try self.world.swarm())
        let slow = try await b.listen(on: self.world.address(0))[0]
        let next = try await b.listen(on: self.world.address(0))[0]
        let start = self.world.clock.now
        self.world.network.set(.handshakes(Signal()), at: slow)
        try await self.world.run(a, b) {
            async let dial = a.dial(b.localPeer, DialRequest(addresses: [slow, next]), deadline: self.deadline)
            await self.world.network.dialled(atLeast: 1)
            // Either the dial waits for the next address's turn, or it knows already that the first one answers.
            await self.world.clock.sleeper(untilAnyOf: [start + .milliseconds(30), start + .seconds(1)])
            self.world.clock.advance(.milliseconds(30))
            // Its turn has come, but it waits until the other has had its second.
            await self.world.clock.sleeper(until: start + .seconds(1))
            #expect(self.world.network.dialled == [slow])
            self.world.clock.advance(.milliseconds(970))
            let entry = try await dial
            #expect(entry.info.remoteAddress == next)
            #expect(self.world.network.dialled == [slow, next])
        }
    }
}
