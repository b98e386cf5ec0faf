import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PKademlia

@Suite("A look-up")
struct LookupTests {
    private let target = KademliaPoint(0, 0, 0, 0)
    private let now = Fixture.start

    /// Peers by their distance: number 3 is nearer than number 4.
    private func peer(_ number: Int) throws -> PeerID { try Fixture.peer(number: number) }

    private func lookup(_ seeds: [Int], terms: Lookup.Terms = Lookup.Terms(), own: Int? = nil) throws -> Lookup {
        Lookup(
            towards: self.target, from: try seeds.map { Lookup.Contact(try self.peer($0)) }, ownPeer: try own.map(self.peer), terms: terms,
            point: Self.point)
    }

    private static let points: [PeerID: KademliaPoint] = {
        var points: [PeerID: KademliaPoint] = [:]
        for number in 0..<1_000 {
            if let peer = try? Fixture.peer(number: number) { points[peer] = KademliaPoint(0, 0, 0, UInt64(number + 1)) }
        }
        return points
    }()

    private static func point(_ peer: PeerID) -> KademliaPoint { self.points[peer] ?? KademliaPoint(1, 0, 0, 0) }

    private func asked(_ lookup: inout Lookup, at time: NIODeadline? = nil) -> [PeerID]? {
        guard case .ask(let contacts) = lookup.next(at: time ?? self.now) else { return nil }
        return contacts.map(\.peer)
    }

    private func answer(_ lookup: inout Lookup, _ number: Int, _ named: [Int]) throws {
        lookup.answered(try self.peer(number), naming: try named.map { Lookup.Contact(try self.peer($0)) }, point: Self.point)
    }

    private func isFinished(_ lookup: inout Lookup, at time: NIODeadline? = nil) -> Bool {
        if case .finished = lookup.next(at: time ?? self.now) { true } else { false }
    }

    @Test("It asks the nearest first, some at a time, each once, and ends when the nearest have answered")
    func order() throws {
        var terms = Lookup.Terms()
        (terms.count, terms.parallelism) = (3, 2)
        var lookup = try self.lookup([9, 5, 7], terms: terms)
        #expect(self.asked(&lookup) == [try self.peer(5), try self.peer(7)])
        guard case .wait(let until) = lookup.next(at: self.now) else {
            Issue.record("it has two under way")
            return
        }
        #expect(until == self.now.advanced(by: terms.stall))
        try self.answer(&lookup, 7, [1, 2, 5, 7, 9])
        #expect(self.asked(&lookup) == [try self.peer(1)])
        try self.answer(&lookup, 1, [2, 5])
        #expect(self.asked(&lookup) == [try self.peer(2)])
        try self.answer(&lookup, 5, [])
        #expect(!self.isFinished(&lookup))
        try self.answer(&lookup, 2, [])
        #expect(self.isFinished(&lookup))
        #expect(lookup.nearest.map(\.peer) == [try self.peer(1), try self.peer(2), try self.peer(5)])
        #expect(lookup.messages == 4 && lookup.answers == 4 && lookup.hops == 2)
        // Nobody is asked twice, and who was not asked is not heard.
        try self.answer(&lookup, 7, [3])
        #expect(lookup.answers == 4 && lookup.knownCount == 5)
    }

    @Test("Itself, the one who answers, and this node are never asked")
    func nonsense() throws {
        var lookup = try self.lookup([5], own: 2)
        #expect(self.asked(&lookup) == [try self.peer(5)])
        try self.answer(&lookup, 5, [5, 2, 5, 5])
        #expect(self.isFinished(&lookup))
        #expect(lookup.knownCount == 1)
    }

    @Test("Who names farther peers alone leads nowhere: none of them is asked, and the look-up is over")
    func farther() throws {
        var terms = Lookup.Terms()
        (terms.count, terms.parallelism) = (2, 2)
        var lookup = try self.lookup([1, 2], terms: terms)
        #expect(self.asked(&lookup) == [try self.peer(1), try self.peer(2)])
        try self.answer(&lookup, 1, Array(10..<50))
        try self.answer(&lookup, 2, [5, 6])
        #expect(self.isFinished(&lookup))
        #expect(lookup.messages == 2)
        #expect(lookup.nearest.map(\.peer) == [try self.peer(1), try self.peer(2)])
    }

    @Test("Of an answer the first forty count, and it knows of a thousand at most")
    func bounds() throws {
        var terms = Lookup.Terms()
        terms.candidates = 60
        var lookup = try self.lookup([500], terms: terms)
        _ = lookup.next(at: self.now)
        try self.answer(&lookup, 500, Array(0..<100))
        #expect(lookup.knownCount == 41)
        let asked = try #require(self.asked(&lookup))
        for peer in asked { lookup.answered(peer, naming: try (100..<140).map { Lookup.Contact(try self.peer($0)) }, point: Self.point) }
        #expect(lookup.knownCount == 60)
        #expect(Lookup.Terms().candidates == 1_000 && Lookup.Terms().messages == 400)
    }

    @Test("Who is silent counts no more after a moment, and yet when it answers")
    func stall() throws {
        var terms = Lookup.Terms()
        (terms.count, terms.parallelism) = (2, 2)
        var lookup = try self.lookup([1, 2], terms: terms)
        #expect(self.asked(&lookup) == [try self.peer(1), try self.peer(2)])
        try self.answer(&lookup, 2, [3])
        // Somebody is asked in the place of the one that has not answered yet.
        #expect(self.asked(&lookup) == [try self.peer(3)])
        try self.answer(&lookup, 3, [])
        #expect(!self.isFinished(&lookup))
        let later = self.now.advanced(by: terms.stall)
        #expect(self.isFinished(&lookup, at: later))
        #expect(lookup.isWaiting(for: try self.peer(1)))
        #expect(lookup.nearest.map(\.peer) == [try self.peer(2), try self.peer(3)])
        try self.answer(&lookup, 1, [])
        #expect(lookup.nearest.map(\.peer) == [try self.peer(1), try self.peer(2)])
    }

    @Test("Of its own table it asks those beyond the nearest where these are silent, and not before")
    func reserve() throws {
        var terms = Lookup.Terms()
        (terms.count, terms.parallelism) = (2, 4)
        var lookup = try self.lookup([1, 2, 3, 4], terms: terms)
        #expect(self.asked(&lookup) == [try self.peer(1), try self.peer(2)])
        try self.answer(&lookup, 2, [])
        #expect(!self.isFinished(&lookup))
        let later = self.now.advanced(by: terms.stall)
        // One is missing, and of two that were asked one was silent: two are asked for it.
        #expect(self.asked(&lookup, at: later) == [try self.peer(3), try self.peer(4)])
        try self.answer(&lookup, 3, [])
        #expect(self.isFinished(&lookup, at: later))
        #expect(lookup.messages == 4)
    }

    @Test("In a network of few, the silent are waited for a while; when nobody answers, for as long as it takes")
    func patience() throws {
        var lookup = try self.lookup([1, 2])
        _ = lookup.next(at: self.now)
        let stalled = self.now.advanced(by: .milliseconds(600))
        guard case .wait(.distantFuture?) = lookup.next(at: stalled) else {
            Issue.record("nobody has answered")
            return
        }
        try self.answer(&lookup, 1, [])
        guard case .wait(let until) = lookup.next(at: stalled) else {
            Issue.record("one is missing")
            return
        }
        #expect(until == self.now.advanced(by: .seconds(2)))
        #expect(self.isFinished(&lookup, at: self.now.advanced(by: .seconds(2))))
        lookup.failed(try self.peer(2))
        #expect(lookup.failures == 1)
        #expect(self.isFinished(&lookup, at: stalled))
    }

    @Test("Of those whom one peer alone has named, three are asked at a time, and none after three that were silent")
    func inventions() throws {
        var lookup = try self.lookup([100, 101])
        #expect(self.asked(&lookup)?.count == 2)
        try self.answer(&lookup, 100, Array(0..<20))
        #expect(self.asked(&lookup) == [try self.peer(0), try self.peer(1), try self.peer(2)])
        lookup.failed(try self.peer(0))
        // One has failed, two are under way: one more may be.
        #expect(self.asked(&lookup) == [try self.peer(3)])
        for number in 1...3 { lookup.failed(try self.peer(number)) }
        // Somebody else names one of them, so that one is asked; the others are not.
        try self.answer(&lookup, 101, [7])
        #expect(self.asked(&lookup) == [try self.peer(7)])
        try self.answer(&lookup, 7, [])
        #expect(self.isFinished(&lookup))
        #expect(lookup.messages == 7)
    }

    @Test("Where most are silent and nobody was met beyond the first, the others that it has named are asked as well, and waited for")
    func stranded() throws {
        var lookup = try self.lookup([100])
        #expect(self.asked(&lookup) == [try self.peer(100)])
        try self.answer(&lookup, 100, Array(0..<8))
        #expect(self.asked(&lookup) == [try self.peer(0), try self.peer(1), try self.peer(2)])
        // A machine that is busy: nobody answers in time.
        var now = self.now.advanced(by: .milliseconds(600))
        #expect(self.asked(&lookup, at: now) == [try self.peer(3), try self.peer(4), try self.peer(5)])
        now = now.advanced(by: .milliseconds(600))
        #expect(self.asked(&lookup, at: now) == [try self.peer(6), try self.peer(7)])
        now = now.advanced(by: .seconds(5))
        guard case .wait(.distantFuture?) = lookup.next(at: now) else {
            Issue.record("it waits for as long as it takes")
            return
        }
        // One that comes late proves who has named it, and names more.
        try self.answer(&lookup, 1, [20])
        #expect(self.asked(&lookup, at: now) == [try self.peer(20)])
        try self.answer(&lookup, 20, [])
        for number in [0, 2, 3, 4, 5, 6, 7] { try self.answer(&lookup, number, []) }
        #expect(self.isFinished(&lookup, at: now))
        #expect(lookup.nearest.count == 10 && lookup.messages == 10)
    }

    @Test("In a small network, where nobody names anybody new, the silent are waited for no longer than elsewhere")
    func smallNetwork() throws {
        var lookup = try self.lookup(Array(0..<6))
        #expect(self.asked(&lookup)?.count == 6)
        try self.answer(&lookup, 0, Array(1..<6))
        try self.answer(&lookup, 1, Array(2..<6))
        #expect(!self.isFinished(&lookup, at: self.now.advanced(by: .seconds(1))))
        #expect(self.isFinished(&lookup, at: self.now.advanced(by: .seconds(2))))
    }

    @Test("Of the one liar that a newcomer has met every invention is tried, and then it is over")
    func strandedByLiar() throws {
        var lookup = try self.lookup([100])
        _ = lookup.next(at: self.now)
        try self.answer(&lookup, 100, Array(0..<40))
        var asked = 0
        while let peers = self.asked(&lookup) {
            asked += peers.count
            #expect(peers.count <= 3)
            for peer in peers { lookup.failed(peer) }
        }
        #expect(asked == 40)
        #expect(self.isFinished(&lookup))
    }

    @Test("One whom a peer has named and who answers speaks for it")
    func proof() throws {
        var lookup = try self.lookup([100])
        _ = lookup.next(at: self.now)
        try self.answer(&lookup, 100, Array(0..<20))
        _ = lookup.next(at: self.now)
        try self.answer(&lookup, 0, [])
        #expect(self.asked(&lookup)?.count == 8)
    }

    @Test("What it knows is counted: each peer, and each address once")
    func size() throws {
        let address = try Multiaddr("/ip4/10.0.0.1/tcp/1")
        let known = KnownAddress(address, source: .identify)
        var lookup = Lookup(
            towards: self.target, from: [Lookup.Contact(try self.peer(1), at: [known])], ownPeer: nil, point: Self.point)
        #expect(lookup.size == KademliaLimits.candidateSize + address.bytes.count)
        _ = lookup.next(at: self.now)
        let named = [Lookup.Contact(try self.peer(2), at: [known]), Lookup.Contact(try self.peer(2), at: [known])]
        lookup.answered(try self.peer(1), naming: named, point: Self.point)
        #expect(lookup.size == 2 * (KademliaLimits.candidateSize + address.bytes.count))
    }

    @Test("It asks no more than it may")
    func budget() throws {
        var terms = Lookup.Terms()
        (terms.messages, terms.parallelism) = (3, 10)
        var lookup = try self.lookup(Array(0..<10), terms: terms)
        #expect(self.asked(&lookup)?.count == 3)
        for number in 0..<3 { try self.answer(&lookup, number, [20 + number]) }
        #expect(self.isFinished(&lookup))
        #expect(lookup.messages == 3)
    }

    @Test("Without anybody to ask it is over at once")
    func nobody() throws {
        var lookup = try self.lookup([])
        #expect(self.isFinished(&lookup))
        #expect(lookup.nearest.isEmpty && lookup.hops == 0)
    }
}
