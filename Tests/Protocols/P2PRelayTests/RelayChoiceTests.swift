import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PRelay

@Suite("Which of the relays that are met are taken")
struct RelayChoiceTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let peers: [PeerID]
    private var choice = RelayChoice()

    init() throws {
        self.peers = try (1...30).map { PeerID(try PrivateKey(ed25519Seed: [UInt8](repeating: $0, count: 32)).publicKey) }
    }

    private static func address(_ host: String) throws -> Multiaddr { try Multiaddr("/ip4/\(host)/tcp/4001") }

    private mutating func find(_ number: Int, at host: String) throws {
        self.choice.found(self.peers[number], at: try Self.address(host))
    }

    private mutating func take(_ number: Int, from host: String) throws {
        #expect(self.choice.next(at: self.start) == [.take(self.peers[number], at: try Self.address(host))])
        self.choice.held.insert(self.peers[number])
    }

    @Test("The first at once, two are enough, and the second from another network if there is one")
    mutating func two() throws {
        try self.find(0, at: "45.33.0.1")
        try self.take(0, from: "45.33.0.1")
        try self.find(1, at: "45.33.0.2")
        try self.find(2, at: "45.34.0.1")
        try self.take(2, from: "45.34.0.1")
        #expect(self.choice.next(at: self.start) == [.keep(self.peers[1])])
        #expect(self.choice.next(at: self.start).isEmpty)
    }

    @Test("A spare stays connected, and takes the place of one that is lost; the next is kept then")
    mutating func spare() throws {
        for number in 0..<4 { try self.find(number, at: "45.\(33 + number).0.1") }
        #expect(self.choice.next(at: self.start).count == 2)
        self.choice.held = [self.peers[0], self.peers[1]]
        self.choice.measured(self.peers[3], roundTrip: .milliseconds(30))
        #expect(self.choice.next(at: self.start) == [.keep(self.peers[3])], "the nearer")
        #expect(self.choice.next(at: self.start).isEmpty)
        self.choice.held = [self.peers[1]]
        self.choice.failed(self.peers[0], .unreachable, at: self.start)
        #expect(
            self.choice.next(at: self.start) == [.drop(self.peers[0]), .take(self.peers[3], at: try Self.address("45.36.0.1"))])
        self.choice.held.insert(self.peers[3])
        #expect(self.choice.next(at: self.start) == [.release(self.peers[3]), .keep(self.peers[2])])
        self.choice.gone(self.peers[2])
        #expect(self.choice.next(at: self.start) == [.release(self.peers[2])])
    }

    @Test(
        "One that is twice as near takes the place of the farthest, when that is worth it, and not again for five minutes",
        arguments: [(20, 60, 25, true), (20, 60, 35, false), (8, 12, 1, false), (60, 20, 10, true)])
    mutating func nearer(_ row: (first: Int64, second: Int64, third: Int64, isExchanged: Bool)) throws {
        for (number, time) in [row.first, row.second, row.third].enumerated() {
            try self.find(number, at: "45.\(33 + number).0.1")
            _ = self.choice.next(at: self.start)
            self.choice.measured(self.peers[number], roundTrip: .milliseconds(time))
        }
        self.choice.held = [self.peers[0], self.peers[1]]
        let actions = self.choice.next(at: self.start)
        guard row.isExchanged else {
            #expect(actions == [.keep(self.peers[2])])
            return
        }
        #expect(actions == [.take(self.peers[2], at: try Self.address("45.35.0.1"))])
        #expect(self.choice.next(at: self.start).isEmpty, "the farthest stays until the nearer holds")
        self.choice.held.insert(self.peers[2])
        let farthest = row.first > row.second ? 0 : 1
        #expect(self.choice.next(at: self.start) == [.drop(self.peers[farthest])])
        #expect(self.choice.next(at: self.start) == [.keep(self.peers[farthest])])
        try self.find(3, at: "45.36.0.1")
        self.choice.measured(self.peers[3], roundTrip: .milliseconds(1))
        #expect(self.choice.next(at: self.start).isEmpty)
        let later = try #require(self.choice.deadline)
        #expect(later == self.start + .seconds(300))
    }

    @Test("One that is nearer, but in the network of another that stays, is not taken")
    mutating func nearerInTheSameNetwork() throws {
        for (number, host) in ["45.33.0.1", "45.34.0.1", "45.33.0.2"].enumerated() {
            try self.find(number, at: host)
            _ = self.choice.next(at: self.start)
            self.choice.measured(self.peers[number], roundTrip: .milliseconds([10, 90, 2][number]))
        }
        self.choice.held = [self.peers[0], self.peers[1]]
        #expect(self.choice.next(at: self.start) == [.keep(self.peers[2])])
    }

    @Test("One that shares its network with another is exchanged, once the better one holds")
    mutating func exchange() throws {
        try self.find(0, at: "45.33.0.1")
        try self.find(1, at: "45.33.0.2")
        #expect(self.choice.next(at: self.start).count == 2)
        self.choice.held = [self.peers[0], self.peers[1]]
        #expect(self.choice.next(at: self.start).isEmpty)
        try self.find(2, at: "45.34.0.1")
        #expect(self.choice.next(at: self.start) == [.take(self.peers[2], at: try Self.address("45.34.0.1"))])
        #expect(self.choice.next(at: self.start).isEmpty)
        self.choice.held.insert(self.peers[2])
        #expect(self.choice.next(at: self.start) == [.drop(self.peers[1])])
        #expect(self.choice.next(at: self.start) == [.keep(self.peers[1])])
        #expect(self.choice.taken == [self.peers[0], self.peers[2]])
    }

    @Test("One that refuses makes room for the next, and is tried again after 30 s, then 60")
    mutating func refusal() throws {
        for number in 0..<3 { try self.find(number, at: "45.\(33 + number).0.1") }
        _ = self.choice.next(at: self.start)
        self.choice.held = [self.peers[1]]
        self.choice.failed(self.peers[0], .refused, at: self.start)
        #expect(self.choice.deadline == self.start + .seconds(30))
        #expect(self.choice.next(at: self.start) == [.drop(self.peers[0]), .take(self.peers[2], at: try Self.address("45.35.0.1"))])
        self.choice.failed(self.peers[2], .unreachable, at: self.start)
        #expect(self.choice.next(at: self.start) == [.drop(self.peers[2])])
        #expect(self.choice.next(at: self.start + .seconds(30)) == [.take(self.peers[0], at: try Self.address("45.33.0.1"))])
        self.choice.failed(self.peers[0], .refused, at: self.start + .seconds(30))
        #expect(self.choice.deadline == self.start + .seconds(90))
    }

    @Test("So many are remembered, and those that go are forgotten unless they are taken")
    mutating func many() throws {
        for number in 0..<30 { try self.find(number, at: "45.\(33 + number).0.1") }
        _ = self.choice.next(at: self.start)
        for number in 0..<30 { self.choice.gone(self.peers[number]) }
        #expect(self.choice.taken == [self.peers[0], self.peers[1]])
        #expect(self.choice.next(at: self.start).isEmpty)
    }
}
