import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PRelay

@Suite("What a relay gives away")
struct RelayLedgerTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func peers(_ count: Int) throws -> [PeerID] {
        try (0..<count).map { number in
            let seed = (0..<32).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 4))) }
            return PeerID(try PrivateKey(ed25519Seed: seed).publicKey)
        }
    }

    private static func address(_ host: String) throws -> Multiaddr { try Multiaddr("/ip4/\(host)/tcp/4001") }

    @Test("Very many peers behind one address get eight places")
    func oneAddress() throws {
        var ledger = RelayLedger(RelayServiceLimits())
        let address = try Self.address("45.33.0.7")
        var granted = 0
        for peer in try Self.peers(1_000) {
            switch ledger.reserve(for: peer, over: ConnectionID(), at: address, now: self.start) {
            case .granted: granted += 1
            case let other: #expect(other == .refused(.reservationRefused))
            }
        }
        #expect(granted == 8 && ledger.reservations == 8)
    }

    @Test("A network gets 32, and all together 128; loopback counts for all only")
    func networks() throws {
        let peers = try Self.peers(300)
        var ledger = RelayLedger(RelayServiceLimits())
        for (number, peer) in peers.prefix(100).enumerated() {
            _ = ledger.reserve(for: peer, over: ConnectionID(), at: try Self.address("45.33.0.\(number + 1)"), now: self.start)
        }
        #expect(ledger.reservations == 32)
        for peer in peers.dropFirst(100) {
            _ = ledger.reserve(for: peer, over: ConnectionID(), at: try Self.address("127.0.0.1"), now: self.start)
        }
        #expect(ledger.reservations == 128)
    }

    @Test("A place ends with its time, or with its connection, and leaves nothing behind")
    func ends() throws {
        let peers = try Self.peers(3)
        var ledger = RelayLedger(RelayServiceLimits())
        let (one, two) = (ConnectionID(), ConnectionID())
        let address = try Self.address("45.33.0.7")
        #expect(ledger.reserve(for: peers[0], over: one, at: address, now: self.start) == .granted)
        #expect(ledger.reserve(for: peers[1], over: two, at: address, now: self.start) == .granted)
        ledger.ended { $0 == one }
        #expect(ledger.reservations == 1)
        #expect(throws: RelayRefusal(.noReservation)) { try ledger.begin(from: peers[2], to: peers[0], now: self.start).get() }
        let later = self.start + .hours(1)
        #expect(throws: RelayRefusal(.noReservation)) { try ledger.begin(from: peers[2], to: peers[1], now: later).get() }
        #expect(ledger.trackedKeys == 0)
    }

    @Test("A place that is asked for again lasts longer, over the connection that asked last; who asks all the time is not answered")
    func renewal() throws {
        let peers = try Self.peers(2)
        var ledger = RelayLedger(RelayServiceLimits())
        let (one, two) = (ConnectionID(), ConnectionID())
        let address = try Self.address("45.33.0.7")
        #expect(ledger.reserve(for: peers[0], over: one, at: address, now: self.start) == .granted)
        let later = self.start + .minutes(50)
        #expect(ledger.reserve(for: peers[0], over: two, at: address, now: later) == .granted)
        ledger.ended { $0 == one }
        #expect(try ledger.begin(from: peers[1], to: peers[0], now: later + .minutes(59)).get() == two)
        var answers: [RelayLedger.Answer] = []
        for number in 0..<1_000 {
            answers.append(ledger.reserve(for: peers[0], over: two, at: address, now: later + .minutes(2) + .milliseconds(Int64(number))))
        }
        #expect(answers.count { $0 == .granted } == RelayLedger.asksPerPeriod)
        #expect(answers.last == .tooOften)
    }

    @Test("A peer has 16 circuits at either end, nobody connects to itself, and counts go back")
    func circuits() throws {
        let peers = try Self.peers(40)
        var ledger = RelayLedger(RelayServiceLimits())
        let address = try Self.address("127.0.0.1")
        for peer in peers { _ = ledger.reserve(for: peer, over: ConnectionID(), at: address, now: self.start) }
        #expect(throws: RelayRefusal(.permissionDenied)) { try ledger.begin(from: peers[0], to: peers[0], now: self.start).get() }
        for target in peers.dropFirst().prefix(16) { _ = try ledger.begin(from: peers[0], to: target, now: self.start).get() }
        #expect(throws: RelayRefusal(.resourceLimitExceeded)) { try ledger.begin(from: peers[0], to: peers[20], now: self.start).get() }
        #expect(throws: RelayRefusal(.resourceLimitExceeded)) { try ledger.begin(from: peers[20], to: peers[0], now: self.start).get() }
        for target in peers.dropFirst().prefix(16) { ledger.end(from: peers[0], to: target) }
        #expect(ledger.circuits == 0)
        #expect(try ledger.begin(from: peers[20], to: peers[0], now: self.start).get() != ConnectionID())
        ledger.end(from: peers[20], to: peers[0])
        ledger.ended { _ in true }
        #expect(ledger.trackedKeys == 0)
    }

    @Test("All together have as many circuits as the relay has")
    func allCircuits() throws {
        var limits = RelayServiceLimits()
        limits.circuits = 3
        var ledger = RelayLedger(limits)
        let peers = try Self.peers(10)
        let address = try Self.address("127.0.0.1")
        for peer in peers { _ = ledger.reserve(for: peer, over: ConnectionID(), at: address, now: self.start) }
        for number in 0..<3 { _ = try ledger.begin(from: peers[number], to: peers[number + 5], now: self.start).get() }
        #expect(throws: RelayRefusal(.resourceLimitExceeded)) { try ledger.begin(from: peers[4], to: peers[9], now: self.start).get() }
    }
}
