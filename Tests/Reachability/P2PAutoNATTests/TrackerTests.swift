import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Testing

@testable import P2PAutoNAT

@Suite("Which addresses are reached, in whose word")
struct TrackerTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let tcp: Multiaddr = "/ip4/45.33.0.22/tcp/4001"
    private static let udp: Multiaddr = "/ip4/45.33.0.22/udp/4001/quic-v1"

    /// A network of servers that say what a function says.
    private struct Scene {
        var tracker = AutoNATTracker()
        var now = start
        var probes: [AutoNATTracker.Probe] = []
        let servers: [AutoNATTracker.Server]

        /// - Parameter ips: where the servers are.
        init(_ ips: [UInt32], version2: Bool = false) throws {
            self.servers = try ips.map { ip in
                AutoNATTracker.Server(
                    peer: PeerID(try PrivateKey.generate(.ed25519).publicKey), connection: ConnectionID(), ip: IPAddress(v4: ip),
                    speaksVersion2: version2)
            }
            self.tracker.use(self.servers)
        }

        mutating func run(for seconds: Int, _ outcome: (AutoNATTracker.Probe) -> AutoNATTracker.Outcome) {
            for _ in 0..<seconds {
                for probe in self.tracker.poll(at: self.now) {
                    self.probes.append(probe)
                    self.tracker.finished(probe, outcome(probe), at: self.now)
                }
                self.now = self.now + .seconds(1)
            }
        }

        func state(of address: Multiaddr) -> AutoNATTracker.Verdict? {
            self.tracker.verdicts(at: self.now).first { $0.address == ThinWaist(address) }?.state
        }
    }

    private static let oneNetwork: [UInt32] = [0x2d21_000b, 0x2d21_000c, 0x2d21_000d, 0x2d21_000e]
    private static let networks: [UInt32] = [0x2d21_000b, 0x2d22_000b, 0x2d23_000b]

    @Test("Two networks' word is believed, or three servers' in one; one server's is not", arguments: [1, 2, 3], [false, true])
    func numbers(count: Int, isOneNetwork: Bool) throws {
        var scene = try Scene(Array((isOneNetwork ? Self.oneNetwork : Self.networks).prefix(count)))
        scene.tracker.use([(address: Self.tcp, needsStrangers: false)], at: scene.now)
        scene.run(for: 100) { _ in .reached() }
        #expect((scene.state(of: Self.tcp) == .reachable) == (isOneNetwork ? count >= 3 : count >= 2))
        var failing = try Scene(Array((isOneNetwork ? Self.oneNetwork : Self.networks).prefix(count)))
        failing.tracker.use([(address: Self.tcp, needsStrangers: false)], at: failing.now)
        failing.run(for: 100) { _ in .notReached("timed out") }
        #expect((failing.state(of: Self.tcp) == .unreachable) == (isOneNetwork ? count >= 3 : count >= 2))
        #expect(failing.tracker.verdicts(at: failing.now).first?.lastError == "timed out")
    }

    @Test("A server to which the port has spoken proves nothing behind a router; a stranger does, either way")
    func strangers() throws {
        var scene = try Scene(Self.oneNetwork + [0x2d21_000f, 0x2d21_0010])
        for server in scene.servers.prefix(3) { scene.tracker.spoke(to: server.ip, over: .udp, at: Self.start) }
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        // An address-restricted router lets in those to whom the port has spoken.
        let known = Set(scene.servers.prefix(3).map(\.peer))
        scene.run(for: 200) { known.contains($0.server.peer) ? .reached() : .notReached("timed out") }
        #expect(scene.state(of: Self.udp) == .unreachable)
        #expect(Set(scene.probes.prefix(3).map(\.server.peer)).isDisjoint(with: known), "strangers are asked first")

        var full = try Scene(Self.oneNetwork + [0x2d21_000f, 0x2d21_0010])
        for server in full.servers.prefix(3) { full.tracker.spoke(to: server.ip, over: .udp, at: Self.start) }
        full.tracker.use([(address: Self.udp, needsStrangers: true)], at: full.now)
        full.run(for: 200) { _ in .reached() }
        #expect(full.state(of: Self.udp) == .reachable)

        var friends = try Scene(Self.networks)
        for server in friends.servers { friends.tracker.spoke(to: server.ip, over: .udp, at: Self.start) }
        friends.tracker.use([(address: Self.udp, needsStrangers: true)], at: friends.now)
        friends.run(for: 30) { _ in .reached() }
        #expect(friends.state(of: Self.udp) == .unknown, "only friends have tried")
        friends.run(for: 1) { _ in .reached() }
        #expect(friends.state(of: Self.udp) == .unreachable, "and nobody else has come in for half a minute")
        #expect(friends.tracker.verdicts(at: friends.now).first?.lastError?.contains("spoken") == true)
        // Over the other protocol the same servers are strangers.
        friends.tracker.use([(address: Self.tcp, needsStrangers: true)], at: friends.now)
        friends.run(for: 200) { _ in .reached() }
        #expect(friends.state(of: Self.tcp) == .reachable)
    }

    @Test(
        "One stranger alone shows which kind the router is, where others get in: none behind an address-restricted one, and it proves a way in",
        arguments: [false, true], [false, true])
    func oneStranger(isAddressRestricted: Bool, isProof: Bool) throws {
        var scene = try Scene(Self.networks, version2: isProof)
        for server in scene.servers.prefix(2) { scene.tracker.spoke(to: server.ip, over: .udp, at: scene.now) }
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        let stranger = scene.servers[2].peer
        scene.run(for: 100) {
            isAddressRestricted && $0.server.peer == stranger ? .notReached("timed out") : .reached(visitor: isProof ? $0.server.ip : nil)
        }
        let expected: AutoNATTracker.Verdict = isAddressRestricted ? .unreachable : isProof ? .reachable : .unknown
        #expect(scene.state(of: Self.udp) == expected)
        if isAddressRestricted {
            #expect(scene.tracker.verdicts(at: scene.now).first?.lastError?.contains("address-restricted") == true)
            #expect(scene.tracker.verdicts(at: scene.now).first?.servers == 3)
        }
        // Where another stranger could be asked, nothing is concluded before.
        let another = AutoNATTracker.Server(
            peer: PeerID(try PrivateKey.generate(.ed25519).publicKey), connection: ConnectionID(), ip: IPAddress(v4: 0x2d24_000b),
            speaksVersion2: true)
        scene.tracker.use(scene.servers + [another])
        #expect(scene.state(of: Self.udp) == .unknown)
        scene.run(for: 10) { _ in .notReached("timed out") }
        #expect(scene.state(of: Self.udp) == (isAddressRestricted ? .unreachable : .unknown))
    }

    @Test("A second stranger that never answers keeps nobody from a verdict", arguments: [false, true])
    func silentStranger(isAddressRestricted: Bool) throws {
        var scene = try Scene(Self.networks + [0x2d24_000b], version2: true)
        for server in scene.servers.prefix(2) { scene.tracker.spoke(to: server.ip, over: .udp, at: scene.now) }
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        let (stranger, silent) = (scene.servers[2].peer, scene.servers[3].peer)
        #expect(scene.state(of: Self.udp) == .unknown)
        scene.run(for: 100) { probe in
            if probe.server.peer == silent { return .noAnswer }
            return isAddressRestricted && probe.server.peer == stranger ? .notReached("timed out") : .reached(visitor: probe.server.ip)
        }
        #expect(scene.probes.contains { $0.server.peer == silent })
        #expect(scene.state(of: Self.udp) == (isAddressRestricted ? .unreachable : .reachable))
    }

    @Test("Where not even those get in to which the port has spoken, one stranger more that does not is enough")
    func nobody() throws {
        var scene = try Scene(Self.networks)
        for server in scene.servers.prefix(2) { scene.tracker.spoke(to: server.ip, over: .udp, at: scene.now) }
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        scene.run(for: 100) { _ in .notReached("timed out") }
        #expect(scene.state(of: Self.udp) == .unreachable)
    }

    @Test("After ten minutes of silence a router has forgotten whom a port has spoken to")
    func silence() throws {
        var scene = try Scene(Self.networks)
        for server in scene.servers { scene.tracker.spoke(to: server.ip, over: .udp, at: scene.now) }
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        scene.run(for: 599) { _ in .reached() }
        #expect(scene.state(of: Self.udp) == .unreachable && scene.probes.count == 3)
        scene.run(for: 100) { _ in .notReached("timed out") }
        #expect(scene.state(of: Self.udp) == .unreachable && scene.probes.count == 6)
    }

    @Test("Where only those have tried to whom the port had spoken, strangers that come in open the address again")
    func strangerAtLast() throws {
        var scene = try Scene(Self.networks)
        for server in scene.servers { scene.tracker.spoke(to: server.ip, over: .udp, at: scene.now) }
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        scene.run(for: 60) { .reached(visitor: $0.server.ip) }
        #expect(scene.state(of: Self.udp) == .unreachable)
        #expect(scene.tracker.verdicts(at: scene.now).first?.lastError?.contains("spoken") == true)
        scene.tracker.arrival(from: IPAddress(v4: 0x2d24_0102), at: Self.udp, now: scene.now)
        #expect(scene.state(of: Self.udp) == .reachable)
    }

    @Test("A server that sends another proves that one's way in: no more than a friend of the port's, and once however many send the same")
    func sentByAnother() throws {
        // Two strangers are asked, and send one to whom the port has spoken.
        let friend = IPAddress(v4: 0x2d24_000b)
        var scene = try Scene(Self.networks, version2: true)
        scene.tracker.spoke(to: scene.servers[0].ip, over: .udp, at: scene.now)
        scene.tracker.spoke(to: friend, over: .udp, at: scene.now)
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        let known = scene.servers[0]
        scene.run(for: 200) { .reached(visitor: $0.server == known ? known.ip : friend) }
        #expect(scene.state(of: Self.udp) == .unreachable, "only those get in to whom the port has spoken")
        #expect(scene.probes.count == 3, "nobody is asked again and again")
        // All send the same stranger: that is one voice.
        var same = try Scene(Self.networks, version2: true)
        same.tracker.use([(address: Self.udp, needsStrangers: true)], at: same.now)
        same.run(for: 200) { _ in .reached(visitor: friend) }
        #expect(same.state(of: Self.udp) == .unknown)
        #expect(same.tracker.verdicts(at: same.now).map(\.servers) == [1])
        // Whoever has come in is spoken to from then on, which does not make its visit worth less.
        var own = try Scene(Self.networks, version2: true)
        own.tracker.use([(address: Self.udp, needsStrangers: true)], at: own.now)
        own.now = own.now + .seconds(2)
        for probe in own.tracker.poll(at: own.now) {
            own.tracker.spoke(to: probe.server.ip, over: .udp, at: own.now + .seconds(1))
            own.tracker.finished(probe, .reached(visitor: probe.server.ip), at: own.now + .seconds(2))
        }
        #expect(own.state(of: Self.udp) == .reachable)
    }

    @Test("Whoever comes in without having been spoken to is a proof; one who was is none")
    func arrivals() throws {
        var scene = try Scene([])
        scene.tracker.use([(address: Self.udp, needsStrangers: true)], at: scene.now)
        let known = IPAddress(v4: 0x2d21_0101)
        scene.tracker.spoke(to: known, over: .udp, at: Self.start)
        scene.tracker.arrival(from: known, at: Self.udp, now: scene.now)
        #expect(scene.state(of: Self.udp) == .unknown)
        for ip: UInt32 in [0x2d21_0102, 0x2d22_0102] { scene.tracker.arrival(from: IPAddress(v4: ip), at: Self.udp, now: scene.now) }
        #expect(scene.state(of: Self.udp) == .reachable)
        scene.tracker.arrival(from: IPAddress(v4: 0x0a00_0001), at: Self.udp, now: scene.now)
        scene.tracker.arrival(from: IPAddress(v4: 0x2d23_0102), at: "/ip4/9.9.9.9/udp/1/quic-v1", now: scene.now)
        #expect(scene.tracker.verdicts(at: scene.now).map(\.servers) == [2])
    }

    @Test("Whoever is dialled is spoken to, and who has come in once it has introduced itself; nobody nearby, or over a relay's limits")
    func spokenTo() throws {
        func connection(isDialled: Bool, remote: Multiaddr = "/ip4/45.33.1.1/tcp/9", isLimited: Bool = false) throws -> ConnectionInfo {
            let sample = try ConnectionInfo.sample()
            return ConnectionInfo(
                role: isDialled ? .dialer : .listener, localPeer: sample.localPeer, remotePeer: sample.remotePeer,
                remoteKey: sample.remoteKey, localAddress: "/ip4/192.168.1.7/tcp/4001", remoteAddress: remote, security: "/s", muxer: "/m",
                isLimited: isLimited, isDialled: isDialled)
        }
        let (dialled, known, unknown) = try (
            connection(isDialled: true), connection(isDialled: false), connection(isDialled: false)
        )
        let near = try connection(isDialled: true, remote: "/ip4/192.168.1.8/tcp/9")
        let limited = try connection(isDialled: true, isLimited: true)
        let spokenTo = AutoNAT.spokenTo([dialled, known, unknown, near, limited], identified: [known.id])
        #expect(spokenTo.map(\.id) == [dialled.id, known.id])
    }

    @Test("Servers are not asked more often than they take, and not again about what they have just said")
    func rates() throws {
        var scene = try Scene(Self.networks)
        let addresses = (1...50).map { (address: Multiaddr(ip: IPAddress(v4: 0x2d21_0016), tcp: $0), needsStrangers: false) }
        scene.tracker.use(addresses, at: scene.now)
        scene.run(for: 60) { _ in .reached() }
        for server in scene.servers { #expect(scene.probes.filter { $0.server == server }.count <= 3) }
        scene.run(for: 3_500) { _ in .reached() }
        #expect(Set(scene.probes).count == scene.probes.count)
    }

    @Test("No more than five are asked at once, and whoever does not answer sensibly is left alone for a while")
    func probesAtOnce() throws {
        var scene = try Scene((0..<40).map { 0x2d21_0000 + $0 << 16 })
        scene.tracker.use(
            (1...20).map { (address: Multiaddr(ip: IPAddress(v4: 0x2d21_0016), tcp: $0), needsStrangers: false) }, at: scene.now)
        scene.now = scene.now + .seconds(2)
        #expect(scene.tracker.poll(at: scene.now).count == AutoNATTracker.probesAtOnce)
        #expect(scene.tracker.poll(at: scene.now).isEmpty)
        var silent = try Scene(Self.networks)
        silent.tracker.use([(address: Self.tcp, needsStrangers: false)], at: silent.now)
        silent.run(for: 119) { _ in .noAnswer }
        // At 1, 11, 31 and 71 s, each server.
        #expect(silent.probes.count == 12 && silent.state(of: Self.tcp) == .unknown && silent.tracker.askedServers == 0)
    }

    @Test("Votes are renewed after an hour, and a change of mind is believed")
    func renewal() throws {
        var scene = try Scene(Self.networks)
        scene.tracker.use([(address: Self.tcp, needsStrangers: false)], at: scene.now)
        scene.run(for: 60) { _ in .reached() }
        #expect(scene.state(of: Self.tcp) == .reachable && scene.probes.count == 3)
        scene.run(for: 3_700) { _ in .notReached("gone") }
        #expect(scene.state(of: Self.tcp) == .unreachable)
        scene.tracker.use([], at: scene.now)
        #expect(scene.tracker.verdicts(at: scene.now).isEmpty)
    }

    @Test("Only the internet's addresses are tried, one for each port, and only so many")
    func limits() throws {
        var scene = try Scene(Self.networks)
        let private_: [Multiaddr] = ["/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/memory/a", "/dns4/a.example/tcp/1"]
        let public_: [Multiaddr] = [Self.tcp, "/ip4/45.33.0.22/tcp/4001/ws", Self.udp]
        scene.tracker.use((private_ + public_).map { (address: $0, needsStrangers: false) }, at: scene.now)
        #expect(scene.tracker.verdicts(at: scene.now).count == 2)
        scene.tracker.use(
            (1...1_000).map { (address: Multiaddr(ip: IPAddress(v4: 0x2d21_0016), tcp: $0), needsStrangers: false) }, at: scene.now)
        #expect(scene.tracker.verdicts(at: scene.now).count == AutoNATTracker.addressLimit)
    }

    @Test("The address that peers see, with this node's ports, is worth a try; nothing private is")
    func candidates() {
        let listening: [Multiaddr] = [
            "/ip4/127.0.0.1/tcp/4001", "/ip4/192.168.1.7/tcp/4001", "/ip4/192.168.1.7/tcp/4001/ws", "/ip6/fe80::1/tcp/4001",
        ]
        let seen = IPAddress(v4: 0x2d21_0016)
        let found = AutoNAT.candidates(
            listening: listening, announced: listening, observed: [ObservedAddress(address: Self.udp, observers: 1, isConfirmed: false)],
            mapped: ["/ip4/45.33.0.1/tcp/9"],
            seen: [seen])
        #expect(found.map(\.address) == ["/ip4/45.33.0.1/tcp/9", Self.udp, "/ip4/45.33.0.22/tcp/4001", "/ip4/45.33.0.22/tcp/4001/ws"])
        #expect(found.map(\.needsStrangers) == [false, true, true, true])
        let open: [Multiaddr] = ["/ip4/45.33.0.21/tcp/4001"]
        #expect(AutoNAT.candidates(listening: open, announced: open, observed: [], mapped: [], seen: [seen]).map(\.address) == open)
    }
}

@Suite("What a server says of an address")
struct QuestionTests {
    private static let asked: Multiaddr = "/ip4/45.33.0.22/tcp/4001"

    /// A server of the second version that does what the closure says.
    private static func outcome(
        room: DialBackRoom = DialBackRoom(), left: Int = 0, _ body: @escaping @Sendable (PeerStream, UInt64) async throws -> Void
    ) async throws -> AutoNATTracker.Outcome {
        let peer = try LoopbackPeer { stream in
            guard let bytes = try await stream.readMessage(upTo: 8_192),
                case .dialRequest(_, let nonce) = try AutoNATv2Message(reading: bytes)
            else { return }
            try await body(stream, nonce)
        }
        let connection = peer.peerConnection
        let server = AutoNATTracker.Server(
            peer: connection.remotePeer, connection: connection.info.id, ip: IPAddress(v4: 0x2d21_0001), speaksVersion2: true)
        let outcome = await AutoNATQuestion(probe: AutoNATTracker.Probe(address: Self.asked, server: server), host: peer, room: room).ask()
        #expect(room.count == left, "a number is forgotten")
        return outcome
    }

    /// A connection on which a server dials back.
    private static func dialBack(
        _ room: DialBackRoom, _ nonce: UInt64, at local: Multiaddr = "/ip4/192.168.1.7/tcp/4001",
        from remote: Multiaddr = "/ip4/45.33.0.1/tcp/9", isLimited: Bool = false, isDialled: Bool = false
    ) async throws {
        let sample = try ConnectionInfo.sample()
        let info = ConnectionInfo(
            role: .listener, localPeer: sample.localPeer, remotePeer: sample.remotePeer, remoteKey: sample.remoteKey, localAddress: local,
            remoteAddress: remote, security: "/s", muxer: "/m", isLimited: isLimited, isDialled: isDialled)
        let pair = StreamPair()
        let connection = LoopbackPeer(room, on: info).peerConnection
        async let served = room.serve(pair.listener, on: connection)
        try await pair.dialer.writeMessage(DialBackMessage.bytes(nonce: nonce))
        _ = try? await pair.dialer.readMessage(upTo: 100)
        _ = await served
    }

    @Test("OK with the number is reached, also when the server calls its dial back an error")
    func reached() async throws {
        for status in [AutoNATv2Message.DialStatus.ok, .dialBackError] {
            let room = DialBackRoom()
            let outcome = try await Self.outcome(room: room) { stream, nonce in
                try await Self.dialBack(room, nonce)
                try await stream.writeMessage(AutoNATv2Message.dialResponse(.ok, address: 0, status).bytes)
            }
            #expect(outcome == .reached(visitor: IPAddress(v4: 0x2d21_0001)))
        }
    }

    @Test("A dial that failed is not reached; refusals, nonsense and excess are no answer")
    func others() async throws {
        #expect(
            try await Self.outcome { stream, _ in
                try await stream.writeMessage(AutoNATv2Message.dialResponse(.ok, address: 0, .dialError).bytes)
            } == .notReached("the dial failed"))
        for answer: AutoNATv2Message in [
            .dialResponse(.dialRefused, address: 0, .unused), .dialResponse(.requestRejected, address: 0, .unused),
            .dialResponse(.ok, address: 1, .ok),
            .dialDataRequest(address: 0, bytes: .max), .dialDataRequest(address: 0, bytes: 100_001),
            .dialDataRequest(address: 7, bytes: 30_000),
            .dialData(1), .dialResponse(.ok, address: 0, .unused),
        ] {
            #expect(try await Self.outcome { stream, _ in try await stream.writeMessage(answer.bytes) } == .noAnswer)
        }
        #expect(try await Self.outcome { stream, _ in stream.reset() } == .noAnswer)
        #expect(try await Self.outcome { stream, _ in try await stream.write(bytes: [3, 0xff, 0xff, 0xff]) } == .noAnswer)
    }

    @Test("OK without the number, or with the number of another question, is no answer")
    func okAlone() async throws {
        let room = DialBackRoom()
        let other = try #require(room.expect(over: .tcp))
        let outcome = try await Self.outcome(room: room, left: 1) { stream, _ in
            try await Self.dialBack(room, other)
            try await stream.writeMessage(AutoNATv2Message.dialResponse(.ok, address: 0, .ok).bytes)
        }
        #expect(outcome == .noAnswer)
        #expect(room.forget(other) != nil)
    }

    @Test("Dial data is paid once, in pieces that every server takes")
    func pays() async throws {
        let outcome = try await Self.outcome { stream, _ in
            try await stream.writeMessage(AutoNATv2Message.dialDataRequest(address: 0, bytes: 30_000).bytes)
            var paid = 0
            while paid < 30_000, let bytes = try await stream.readMessage(upTo: 4_104) {
                guard case .dialData(let length) = try AutoNATv2Message(reading: bytes) else { return }
                paid += length
            }
            try await stream.writeMessage(AutoNATv2Message.dialDataRequest(address: 0, bytes: 30_000).bytes)
        }
        #expect(outcome == .noAnswer, "the second time nobody pays")
    }

    @Test("A number that nobody waits for, a replayed one, and one over another protocol cost nothing and prove nothing")
    func numbers() async throws {
        let room = DialBackRoom()
        for nonce in 0..<UInt64(1_000) { try await Self.dialBack(room, nonce) }
        #expect(room.count == 0)
        let nonce = try #require(room.expect(over: .tcp))
        try await Self.dialBack(room, nonce, at: "/ip4/192.168.1.7/udp/4001/quic-v1")
        #expect(await room.arrival(of: nonce, within: .milliseconds(10), on: .system) == nil)
        try await Self.dialBack(room, nonce)
        #expect(room.count == 0 && room.forget(nonce) == nil, "it was forgotten")
        #expect((0..<100).compactMap { _ in room.expect(over: .tcp) }.count == 16)
    }

    @Test("A number proves nothing on a connection that this side has made, over a relay, or at another port than was meant")
    func withoutDial() async throws {
        let room = DialBackRoom()
        let nonce = try #require(room.expect(over: .tcp, at: 4_001))
        try await Self.dialBack(room, nonce, isDialled: true)
        try await Self.dialBack(room, nonce, from: "/ip4/45.33.0.1/tcp/9/p2p-circuit")
        try await Self.dialBack(room, nonce, isLimited: true)
        try await Self.dialBack(room, nonce, at: "/ip4/192.168.1.7/tcp/4002")
        #expect(room.forget(nonce) == nil)
        let second = try #require(room.expect(over: .tcp, at: 4_001))
        try await Self.dialBack(room, second)
        try await Self.dialBack(room, second, from: "/ip4/45.34.0.1/tcp/9")
        #expect(room.forget(second) == IPAddress(v4: 0x2d21_0001), "whoever brings it first")
        let third = try #require(room.expect(over: .tcp))
        try await Self.dialBack(room, third, at: "/ip4/192.168.1.7/tcp/4002")
        #expect(room.forget(third) == IPAddress(v4: 0x2d21_0001), "a router may have another port outside")
    }

    @Test("The first version's word counts only for the address that was meant")
    func version1() {
        #expect(AutoNATQuestion.outcome(.ok, "", "/ip4/45.33.0.22/tcp/4001", asked: Self.asked) == .reached())
        #expect(AutoNATQuestion.outcome(.ok, "", "/ip4/45.33.0.22/udp/4001/quic-v1", asked: Self.asked) == .noAnswer)
        #expect(AutoNATQuestion.outcome(.ok, "", nil, asked: Self.asked) == .noAnswer)
        #expect(AutoNATQuestion.outcome(.dialError, "", nil, asked: Self.asked) == .notReached("the dial failed"))
        #expect(AutoNATQuestion.outcome(.dialRefused, "busy", nil, asked: Self.asked) == .noAnswer)
    }
}
