import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("What a connection is worth")
struct ConnectionFactsTests {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000_000)
    private static let peer = try? PeerID(PrivateKey.generate(.ed25519).publicKey)

    /// A connection from a network of its own that was opened ten seconds ago, and has been silent since.
    private func facts(_ change: (inout ConnectionFacts) -> Void = { _ in }, age: Int64 = 10, idle: Int64? = nil) throws -> ConnectionFacts
    {
        var facts = ConnectionFacts(
            id: ConnectionID(), peer: try #require(Self.peer), crowd: NetworkKey(Multiaddr("/ip4/192.0.2.1/tcp/1")), isDialled: false,
            opened: Self.now - .seconds(age), movedAt: Self.now - .seconds(idle ?? age))
        change(&facts)
        return facts
    }

    @Test(
        "Silence counts more the longer it is, up to a bound, and not for one with streams",
        arguments: [
            (0, 0), (1, -1), (9, -9), (10, -10), (19, -10), (20, -20), (40, -30), (80, -40), (160, -50), (319, -50), (320, -60),
            (3_600, -60),
        ])
    func idle(seconds: Int64, points: Int) throws {
        #expect(
            try self.facts(age: 3_600, idle: seconds).value(among: 1, at: Self.now).reasons.first { $0.name == "idle" }?.points ?? 0
                == points)
        let streaming = try self.facts({ $0.streams = 1 }, age: 3_600, idle: seconds).value(among: 1, at: Self.now)
        #expect(!streaming.reasons.contains { $0.name == "idle" })
    }

    @Test(
        "Who stands for long has shown something",
        arguments: [(59, 0), (60, 5), (120, 10), (240, 15), (3_600, 30), (86_400, 55)])
    func age(seconds: Int64, points: Int) throws {
        let value = try self.facts(age: seconds, idle: 0).value(among: 1, at: Self.now)
        #expect(value.points == points && value.reasons.map(\.name) == (points > 0 ? ["age"] : []))
    }

    @Test(
        "A crowd weighs on all who came from it, and not on whom this node dialled",
        arguments: [(1, 0), (2, -10), (4, -20), (64, -60), (4_096, -120)])
    func crowd(neighbours: Int, points: Int) throws {
        #expect(try self.facts(idle: 0).value(among: neighbours, at: Self.now).points == points)
        let dialled = try self.facts({ ($0.crowd, $0.isDialled) = (nil, true) }, idle: 0).value(among: 0, at: Self.now)
        #expect(dialled.reasons == [ConnectionValue.Reason("dialled", 50)])
    }

    @Test("Tags count for the connection over which the peer is reached, and not for its spare ones")
    func tags() throws {
        let tags = [ConnectionValue.Reason("tag:dht", 7), ConnectionValue.Reason("tag:none", 0)]
        #expect(try self.facts({ $0.tags = tags }, idle: 0).value(among: 1, at: Self.now).description == "7 (tag:dht +7)")
        let spare = try self.facts({ ($0.tags, $0.isSpare) = (tags, true) }, idle: 0).value(among: 1, at: Self.now)
        #expect(spare.description == "-100 (spare -100)")
    }

    @Test("Open streams count, some of them; what a relay lends counts less")
    func streams() throws {
        #expect(try self.facts({ $0.streams = 2 }, age: 100).value(among: 1, at: Self.now).points == 15)
        #expect(try self.facts({ $0.streams = 500 }, age: 100).value(among: 1, at: Self.now).points == 25)
        #expect(try self.facts({ $0.isLimited = true }, idle: 0).value(among: 1, at: Self.now).points == -20)
    }

    @Test("What is in use, young, protected, allowed or leaving stays whatever it is worth")
    func holds() throws {
        let rows: [(ConnectionFacts, ConnectionValue.Hold?)] = [
            (try self.facts(), nil),
            (try self.facts(age: 4), .young),
            (try self.facts(age: 5), nil),
            (try self.facts({ $0.streams = 1 }, age: 100, idle: 29), .busy),
            (try self.facts({ $0.streams = 1 }, age: 100, idle: 30), nil),
            (try self.facts(age: 100, idle: 1), nil),
            (try self.facts({ $0.isAllowed = true }), .allowed),
            (try self.facts({ $0.protections = ["a", "b"] }), .protected(for: ["a", "b"])),
            (try self.facts { ($0.protections, $0.isLeaving) = (["a"], true) }, .leaving),
        ]
        for (number, (facts, hold)) in rows.enumerated() { #expect(facts.value(among: 1, at: Self.now).hold == hold, "row \(number)") }
        #expect(
            try self.facts({ $0.protections = ["a", "b"] }, age: 9).value(among: 1, at: Self.now).description
                == "-9 (idle -9), protected (a, b)")
    }

    // MARK: The order

    private func order(_ facts: [ConnectionFacts]) -> [Int] {
        TrimRanking(facts, at: Self.now).candidates.map { candidate in facts.firstIndex { $0.id == candidate.id } ?? -1 }
    }

    @Test(
        "Spare ones go first, then the crowd's, then whoever has been idle for longest; whom this node dialled goes last, what is in use never"
    )
    func order() throws {
        let elsewhere = NetworkKey(Multiaddr("/ip4/198.51.100.1/tcp/1"))
        let facts = [
            try self.facts({ $0.streams = 1 }, age: 100, idle: 1),
            try self.facts({ ($0.crowd, $0.isDialled) = (nil, true) }),
            try self.facts({ $0.crowd = elsewhere }, age: 30),
            try self.facts({ $0.crowd = elsewhere }, age: 30, idle: 5),
            try self.facts(age: 30), try self.facts(age: 30), try self.facts(age: 30), try self.facts(age: 30, idle: 0),
            try self.facts({ ($0.crowd, $0.isSpare) = (elsewhere, true) }, age: 30, idle: 0),
            try self.facts(age: 1),
        ]
        // Of equals the youngest; ten seconds of silence weigh as much as the double of a crowd.
        #expect(self.order(facts) == [8, 6, 5, 4, 2, 7, 3, 1])
    }

    @Test("One that comes takes the place of one that is worth no more, and of no other")
    func newcomers() throws {
        let idle = try self.facts(age: 15)
        let tagged = try self.facts({ $0.tags = [ConnectionValue.Reason("tag:friend", 40)] }, age: 15)
        var (comes, crowd) = (try self.facts(age: 0), NetworkKey(Multiaddr("/ip4/198.51.100.1/tcp/1")))
        comes.crowd = crowd
        var ranking = TrimRanking([idle, tagged], at: Self.now)
        #expect(ranking.takeFirst(for: comes, at: Self.now)?.id == idle.id)
        #expect(ranking.takeFirst(for: comes, at: Self.now) == nil && ranking.candidates.count == 1)
        comes.tags = [ConnectionValue.Reason("tag:friend", 20)]
        #expect(ranking.takeFirst(for: comes, at: Self.now)?.id == tagged.id)
        #expect(ranking.takeFirst(for: comes, at: Self.now) == nil)
        // A stranger from where most come from moves nobody from elsewhere; a friend always does.
        crowd = NetworkKey(Multiaddr("/ip4/203.0.113.1/tcp/1"))
        var busy = (0..<64).compactMap { _ in try? self.facts({ ($0.crowd, $0.streams) = (crowd, 1) }, age: 100, idle: 1) }
        busy.append(idle)
        ranking = TrimRanking(busy, at: Self.now)
        comes = try self.facts({ $0.crowd = crowd }, age: 0)
        #expect(ranking.takeFirst(for: comes, at: Self.now) == nil)
        comes.protections = ["friend"]
        #expect(ranking.takeFirst(for: comes, at: Self.now)?.id == idle.id)
    }

    @Test("Down to the low watermark go those that are older than the grace")
    func grace() throws {
        let facts = [try self.facts(age: 10), try self.facts(age: 30), try self.facts(age: 31), try self.facts(age: 300)]
        var ranking = TrimRanking(facts, at: Self.now)
        let taken = ranking.take(2, openedBefore: Self.now - .seconds(20)).map(\.id)
        #expect(taken == [facts[3].id, facts[2].id])
        #expect(ranking.candidates.map(\.id) == [facts[1].id, facts[0].id])
        #expect(ranking.take(5, openedBefore: Self.now - .seconds(20)).map(\.id) == [facts[1].id])
        #expect(ranking.take(-1, openedBefore: Self.now).isEmpty && ranking.candidates.count == 1)
    }

    // MARK: Looks at counters

    @Test("Keeping a connection alive is not to make use of it, and everything else is")
    func activity() {
        let opened = Self.now
        var activity = ConnectionActivity(at: opened)
        var traffic = ConnectionTraffic(bytesIn: 1_000, bytesOut: 2_000, streams: 1)
        func look(after seconds: Int64) -> Int64 {
            activity.observe(traffic, at: opened + .seconds(seconds))
            return (activity.movedAt - opened).nanoseconds / 1_000_000_000
        }
        #expect(look(after: 5) == 5)
        #expect(look(after: 10) == 5)
        traffic.streams = 0
        #expect(look(after: 15) == 15, "a stream ended")
        for number in 1...40 {
            traffic.bytesIn += 24
            traffic.bytesOut += 24
            #expect(look(after: Int64(15 + number * 15)) == 15, "pings")
        }
        traffic.bytesOut += 300
        #expect(look(after: 700) == 700)
        for number in 1...5 {
            traffic.bytesIn += 60
            #expect(look(after: Int64(700 + number)) == (number < 5 ? 700 : 705), "a trickle")
        }
    }
}
