import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtobuf
import Testing

@testable import P2PRelay

@Suite("What two peers tell each other before they punch")
struct PunchMessageTests {
    @Test("Messages are what the specification says, and read back")
    func roundTrip() throws {
        #expect(PunchMessage(.sync).encoded == [0x08, 0xac, 0x02])
        let address = Multiaddr("/ip4/45.33.0.1/udp/4001/quic-v1")
        let connect = PunchMessage(.connect, addresses: [address])
        #expect(Array(connect.encoded.prefix(3)) == [0x08, 0x64, 0x12])
        #expect(try PunchMessage(connect.encoded) == connect)
    }

    @Test("What can't be read of the addresses is left out, and of very many most")
    func addresses() throws {
        var writer = ProtobufWriter()
        writer.write(1, varint: 100)
        writer.write(2, bytes: [0xff, 0xff])
        let bytes = Multiaddr("/ip4/45.33.0.1/tcp/1").bytes
        for _ in 0..<100 { writer.write(2, bytes: bytes) }
        #expect(try PunchMessage(Array(writer.buffer.readableBytesView)).addresses.count == PunchMessage.addressLimit - 1)
        #expect(throws: RelayError(.malformed, "")) { try PunchMessage([0x12, 0x00]) }
        #expect(throws: RelayError(.malformed, "")) { try PunchMessage([]) }
    }
}

@Suite("Which addresses are punched at")
struct PunchAddressesTests {
    private let peer: PeerID

    init() throws { self.peer = PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    private func dialled(_ told: [String], except own: [String] = []) throws -> [String] {
        PunchAddresses.dialled(try told.map { try Multiaddr($0) }, of: self.peer, except: try own.map { try Multiaddr($0) })
            .map(\.description)
    }

    @Test("Public ones over TCP or QUIC alone, of this peer, and none of our own")
    func kinds() throws {
        let stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let told = [
            "/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.1/udp/4001/quic-v1/p2p/\(self.peer)", "/ip4/45.33.0.1/tcp/4001",
            "/ip4/45.33.0.1/tcp/4002/p2p/\(stranger)", "/ip4/45.33.0.1/tcp/4001/ws", "/ip4/45.33.0.1/udp/4001",
            "/ip4/192.168.1.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001", "/ip4/0.0.0.0/tcp/4001", "/ip4/224.0.0.1/tcp/4001",
            "/dns4/example.org/tcp/4001", "/ip4/45.33.0.1/tcp/4001/p2p/\(stranger)/p2p-circuit", "/ip4/45.33.0.2/tcp/22",
            "/ip4/45.33.0.2/tcp/443", "/ip4/45.33.0.9/tcp/4001", "/ip6/2600::1/tcp/4001",
        ]
        #expect(
            try self.dialled(told, except: ["/ip4/45.33.0.9/tcp/4001"]) == [
                "/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.1/udp/4001/quic-v1", "/ip4/45.33.0.2/tcp/443", "/ip6/2600::1/tcp/4001",
            ])
    }

    @Test("A list of victims leads to four addresses: of four hosts, or two of one over each transport")
    func victims() throws {
        let hosts = try self.dialled((1...100).map { "/ip4/45.33.0.\($0)/tcp/4001" })
        #expect(hosts.count == PunchAddresses.hostLimit)
        let ports = try self.dialled((1...100).map { "/ip4/45.33.0.1/tcp/\(4_000 + $0)" })
        #expect(ports.count == PunchAddresses.perHost)
        let both = try self.dialled(
            (1...100).flatMap { ["/ip4/45.33.0.1/tcp/\(4_000 + $0)", "/ip4/45.33.0.1/udp/\(4_000 + $0)/quic-v1"] })
        #expect(both.count == PunchAddresses.dialLimit)
    }

    @Test("A second address of one host comes behind the first of every other, and over every transport")
    func rounds() throws {
        let told = [
            "/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.1/tcp/4002", "/ip4/45.33.0.1/tcp/4003", "/ip4/45.33.0.1/udp/4001/quic-v1",
            "/ip6/2600::1/tcp/4001",
        ]
        #expect(
            try self.dialled(told) == [
                "/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.1/udp/4001/quic-v1", "/ip6/2600::1/tcp/4001", "/ip4/45.33.0.1/tcp/4002",
            ])
    }

    @Test("Where somebody else is connected from, or is waited for, this peer is not dialled")
    func somebodyElse() throws {
        let stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let told: [Multiaddr] = [
            "/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.2/tcp/4001", "/ip4/45.33.0.3/tcp/4001", "/ip4/45.33.0.4/tcp/4001",
        ]
        let free = PunchAddresses.free(
            told, for: self.peer, taken: ["/ip4/45.33.0.1/tcp/4001"],
            expected: ["/ip4/45.33.0.2/tcp/4001": stranger, "/ip4/45.33.0.3/tcp/4001": self.peer])
        #expect(free == ["/ip4/45.33.0.3/tcp/4001", "/ip4/45.33.0.4/tcp/4001"])
    }

    @Test("What is told is public, once each")
    func told() throws {
        let own = try [
            "/ip4/10.0.0.1/tcp/4001", "/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.1/tcp/4001/p2p/\(self.peer)", "/ip4/45.33.0.1/tcp/1/ws",
        ]
        .map { try Multiaddr($0) }
        #expect(try PunchAddresses.told(own) == [Multiaddr("/ip4/45.33.0.1/tcp/4001")])
    }
}

@Suite("How often is punched, and in which role")
struct PunchLedgerTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func peer(_ number: UInt8) throws -> PeerID {
        PeerID(try PrivateKey(ed25519Seed: [UInt8](repeating: number, count: 32)).publicKey)
    }

    @Test("Three times for a peer in five minutes, one at a time; one that was none does not count")
    func perPeer() throws {
        var ledger = PunchLedger()
        let peer = try Self.peer(1)
        #expect(ledger.begin(peer, at: self.start) == 1)
        #expect(ledger.begin(peer, at: self.start) == nil)
        ledger.end(peer, counts: false)
        for number in 1...3 {
            #expect(ledger.begin(peer, at: self.start) == number)
            ledger.end(peer)
        }
        #expect(ledger.begin(peer, at: self.start + .seconds(299)) == nil)
        #expect(ledger.begin(peer, at: self.start + .seconds(300)) == 1)
        ledger.end(peer)
        ledger.end(peer)
        #expect(ledger.underWay == 0)
    }

    @Test("Eight at a time for all")
    func together() throws {
        var ledger = PunchLedger()
        let begun = try (1...100).map { ledger.begin(try Self.peer($0), at: self.start) }
        #expect(begun.count { $0 != nil } == PunchLedger.concurrent && ledger.underWay == PunchLedger.concurrent)
    }

    @Test("Three plain dials for a peer in five minutes, and 16 at a time for all")
    func plainDials() throws {
        var ledger = PunchLedger()
        let peer = try Self.peer(1)
        var dials = 0
        while ledger.beginPlainDial(peer, at: self.start) {
            dials += 1
            ledger.endPlainDial()
        }
        #expect(dials == PunchLedger.plainDials)
        #expect(ledger.beginPlainDial(peer, at: self.start + .seconds(299)) == false)
        #expect(ledger.begin(peer, at: self.start + .seconds(299)) == 1, "a punch is another thing")
        ledger.end(peer)
        let begun = try (2...100).map { ledger.beginPlainDial(try Self.peer($0), at: self.start + .seconds(300)) }
        #expect(begun.count { $0 } == PunchLedger.concurrentPlainDials)
    }

    @Test("One host is dialled so often in five minutes, whoever says that it is there")
    func targets() {
        var ledger = PunchLedger()
        let victim: [Multiaddr] = ["/ip4/45.33.0.1/tcp/4001", "/ip4/45.33.0.1/udp/4001/quic-v1"]
        let other: [Multiaddr] = ["/ip6/2600::1/tcp/4001"]
        for _ in 1...PunchLedger.dialsPerTarget { #expect(ledger.allowed(victim, at: self.start) == victim) }
        #expect(ledger.allowed(victim + other, at: self.start) == other)
        let neighbours: [Multiaddr] = ["/ip6/2600::2/tcp/4001"]
        for _ in 2...PunchLedger.dialsPerTarget { #expect(ledger.allowed(neighbours, at: self.start) == neighbours) }
        #expect(ledger.allowed(neighbours, at: self.start) == [], "a /64 is one host")
        #expect(ledger.allowed(victim, at: self.start + .seconds(300)) == victim)
    }

    @Test(
        "Each side has the specification's role first, the other way round after a clash, and otherwise in the end",
        arguments: [(0, [true, true, false]), (1, [false, false, false]), (2, [true, true, true])])
    func roles(_ row: (clashes: Int, isOrdinary: [Bool])) {
        for (attempt, isOrdinary) in zip(1..., row.isOrdinary) {
            #expect(PunchRole.answering.handshake(inAttempt: attempt, clashes: row.clashes) == (isOrdinary ? .dialer : .listener))
            #expect(PunchRole.asking.handshake(inAttempt: attempt, clashes: row.clashes) == (isOrdinary ? .listener : .dialer))
        }
    }

    @Test(
        "Whoever asks looks for a round trip which role the other takes, and whoever answers twice as long",
        arguments: [0, 100, 5_000] as [Int64])
    func patience(milliseconds: Int64) {
        let roundTrip = TimeAmount.milliseconds(milliseconds)
        let patience = Duration.milliseconds(min(max(milliseconds, 20), 1_000))
        #expect(PunchWorks.meeting(roundTrip, .asking) == patience)
        #expect(PunchWorks.meeting(roundTrip, .answering) == patience * 2)
    }

    @Test(
        "A connection whose handshakes come to nothing looks like a clash, and one that never was does not",
        arguments: [
            (TransportError(.negotiationFailed, ""), true), (TransportError(.securityFailed, ""), true),
            (TransportError(.closed, ""), true),
            (TransportError(.timedOut, "", cause: TransportError(.securityFailed, "")), true),
            (TransportError(.timedOut, "no handshake"), false), (TransportError(.unreachable, "refused"), false),
            (TransportError(.cancelled, ""), false), (TransportError(.peerMismatch, ""), false),
        ])
    func clash(_ row: (error: TransportError, isLikely: Bool)) {
        #expect(PunchClash.isLikely(row.error) == row.isLikely)
        #expect(PunchClash.isLikely(arrival: row.error) == (row.isLikely || row.error.code == .timedOut))
        let address: Multiaddr = "/ip4/45.33.0.1/tcp/4001"
        let dial = DialError(.allAddressesFailed, "", attempts: [DialAttempt(address: address, error: row.error)])
        #expect(PunchClash.isLikely(dial) == row.isLikely)
    }

    @Test("Clashes are remembered as long as the attempts")
    func clashes() throws {
        var ledger = PunchLedger()
        let peer = try Self.peer(1)
        ledger.clashed(with: peer)
        #expect(ledger.clashes(with: peer) == 0, "nobody punches")
        #expect(ledger.begin(peer, at: self.start) == 1)
        ledger.clashed(with: peer)
        ledger.end(peer)
        #expect(ledger.begin(peer, at: self.start) == 2 && ledger.clashes(with: peer) == 1)
        ledger.end(peer)
        #expect(ledger.begin(peer, at: self.start + .seconds(300)) == 1 && ledger.clashes(with: peer) == 0)
    }

    @Test("Where one peer is expected no other is, so that nobody's role is changed by another's word")
    func expectations() throws {
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let (there, elsewhere) = (Multiaddr("/ip4/45.33.0.1/tcp/1"), Multiaddr("/ip4/45.33.0.1/tcp/2"))
        var expected = PunchExpectations()
        // While it waits for its moment, and again while it dials.
        #expect(expected.expect(there, of: peer) && expected.expect(there, of: peer))
        #expect(!expected.expect(there, of: stranger) && expected.expect(elsewhere, of: stranger))
        #expect(!expected.forget(there, of: stranger) && expected.peers == [there: peer, elsewhere: stranger])
        #expect(expected.forget(there, of: peer) && expected.peers[there] == peer)
        #expect(expected.forget(there, of: peer) && !expected.forget(there, of: peer))
        #expect(expected.expect(there, of: stranger) && expected.expect(there, of: stranger))
        let gone = expected.forgetAll(at: there)
        #expect(gone?.peer == stranger && gone?.count == 2 && expected.forgetAll(at: there) == nil && !expected.forget(there, of: stranger))
        #expect(expected.peers == [elsewhere: stranger])
    }

    @Test("Half of a round trip is waited for, and five seconds at most", arguments: [(0, 0), (100, 50), (30_000, 5_000)])
    func waits(_ row: (roundTrip: Int64, wait: Int64)) {
        #expect(PunchWorks.wait(.milliseconds(row.roundTrip)) == .milliseconds(row.wait))
    }

    @Test("What arrives from where a punch goes has its role, as long as the punch lasts")
    func arrivals() throws {
        let roles = ArrivalRoles()
        let (there, elsewhere) = (Multiaddr("/ip4/45.33.0.1/tcp/1"), Multiaddr("/ip4/45.33.0.1/tcp/2"))
        roles.expect(there, as: .dialer)
        roles.expect(there, as: .dialer)
        #expect(roles.role(on: there) == .dialer && roles.role(on: elsewhere) == .listener)
        roles.forget(there)
        #expect(roles.role(on: there) == .dialer)
        roles.forget(there)
        roles.forget(there)
        #expect(roles.role(on: there) == .listener)
        let ip = try #require(IPAddress("45.33.0.1"))
        for port in 1...ArrivalRoles.limit {
            roles.expect(Multiaddr(ip: ip, tcp: UInt16(port)), as: .dialer)
        }
        let late = Multiaddr("/ip4/45.33.0.9/tcp/9")
        roles.expect(late, as: .dialer)
        #expect(roles.role(on: late) == .listener)
    }
}
