import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PCore

@Suite("Who makes room at the door")
struct ArrivalTableTests {
    /// A door whose time is turned by hand.
    private struct Door {
        var table: ArrivalTable
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        /// Who had to go, in order.
        var gone: [UInt64] = []

        init(_ total: Int = 256, perAddress: Int = 64, known: [IPNetwork] = []) {
            self.table = ArrivalTable(ArrivalTable.Limits("pending", total: total, perAddress: perAddress, known: 4), known: known)
        }

        mutating func pass(_ milliseconds: Int64) { self.now = self.now + .milliseconds(milliseconds) }

        /// An arrival, and what it tells of itself from now on.
        @discardableResult
        mutating func enter(_ ip: String, _ stage: ArrivalProgress.Stage = .silent) throws -> (id: UInt64, progress: ArrivalProgress) {
            let progress = ArrivalProgress(stage, at: self.now)
            let entrance = try self.table.enter(from: try Multiaddr("/ip\(ip.contains(":") ? 6 : 4)/\(ip)/tcp/1"), progress, at: self.now)
            if let displaced = entrance.displaced { self.gone.append(displaced.id) }
            return (entrance.id, progress)
        }
    }

    @Test("While there are places, nobody makes room; then the oldest of those that have shown least does")
    func least() throws {
        var door = Door(4)
        var arrivals: [(id: UInt64, progress: ArrivalProgress)] = []
        for number in 1...4 {
            arrivals.append(try door.enter("10.0.\(number).1"))
            door.pass(1)
        }
        #expect(door.gone.isEmpty && door.table.count == 4)
        arrivals[0].progress.advance(to: .heard, at: door.now)
        try door.enter("10.0.5.1")
        #expect(door.gone == [arrivals[1].id])
        arrivals[2].progress.advance(to: .handshaking, at: door.now)
        try door.enter("10.0.6.1")
        #expect(door.gone.last == arrivals[3].id && door.table.count == 4)
    }

    @Test("Whoever has shown nothing for two seconds goes before those who have just come; half a handshake has five")
    func overdue() throws {
        var door = Door(3)
        let half = try door.enter("10.0.1.1", .handshaking)
        let silent = try door.enter("10.0.2.1")
        door.pass(1_999)
        let fresh = try door.enter("10.0.3.1")
        door.pass(1)
        let next = try door.enter("10.0.4.1", .negotiated)
        #expect(door.gone == [silent.id])
        door.pass(1_500)
        // Of those whose time is not over, the silent one.
        try door.enter("10.0.5.1", .negotiated)
        #expect(door.gone.last == fresh.id)
        door.pass(1_500)
        // Half a handshake may take five seconds, and they are over now, as are those of the two others. Who has shown less goes first.
        door.pass(1_000)
        try door.enter("10.0.6.1")
        #expect(door.gone.last == next.id)
        try door.enter("10.0.7.1")
        #expect(door.gone.count == 4 && !door.gone.contains(half.id))
        door.pass(10)
        try door.enter("10.0.8.1")
        #expect(door.gone.last == half.id)
    }

    @Test(
        "The network that holds most makes room first: an IPv4 /24, an IPv6 /48",
        arguments: [
            (["10.1.1.1", "10.1.1.2", "10.1.1.3"], "10.1.2.1"),
            (["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"], "2001:db8:2::1"),
        ])
    func networks(crowd: [String], other: String) throws {
        var door = Door(4)
        let single = try door.enter(other)
        door.pass(5)
        let first = try door.enter(crowd[0])
        for ip in crowd.dropFirst() {
            door.pass(1)
            try door.enter(ip)
        }
        door.pass(1)
        try door.enter("192.0.2.1")
        #expect(door.gone == [first.id], "the other one is older, and alone")
        _ = single
    }

    @Test("Where every network holds one place, the oldest goes")
    func everybodyAlone() throws {
        var door = Door(32)
        let ids = try (0..<64).map { number in
            door.pass(1)
            return try door.enter("10.0.\(number).1").id
        }
        #expect(door.gone == Array(ids.prefix(32)))
    }

    @Test("An address beyond its own limit makes room itself, whatever the others hold")
    func perAddress() throws {
        var door = Door(8, perAddress: 2)
        try door.enter("10.0.1.1")
        let first = try door.enter("10.0.2.1")
        door.pass(1)
        let second = try door.enter("10.0.2.1")
        first.progress.advance(to: .heard, at: door.now)
        try door.enter("10.0.2.1")
        #expect(door.gone == [second.id])
    }

    @Test("Loopback has no limit per address, and is one network")
    func loopback() throws {
        var door = Door(8, perAddress: 2)
        for _ in 0..<8 { try door.enter("127.0.0.1") }
        #expect(door.gone.isEmpty)
        try door.enter("10.0.0.1")
        try door.enter("127.0.0.2")
        #expect(door.gone.count == 2)
    }

    @Test("Known networks have places that nobody takes; beyond them they are like others")
    func known() throws {
        var door = Door(2, known: [try #require(IPNetwork("10.9.0.0/16"))])
        let ids = try (0..<4).map { _ in try door.enter("10.9.1.1").id }
        for number in 0..<20 {
            door.pass(100)
            try door.enter("10.0.\(number).1")
        }
        #expect(Set(ids).isDisjoint(with: door.gone))
        let fifth = try door.enter("10.9.1.1").id
        door.pass(5_000)
        for number in 20..<23 { try door.enter("10.0.\(number).1") }
        #expect(door.gone.contains(fifth))
        for id in ids { door.table.leave(id) }
        #expect(door.table.count == 2)
    }

    @Test("A place is given back once, whoever gives it back")
    func leaving() throws {
        var door = Door(2)
        let ids = try (0..<3).map { number in
            door.pass(1)
            return try door.enter("10.0.0.\(number)").id
        }
        for id in ids + ids { door.table.leave(id) }
        #expect(door.table.count == 0 && door.table.addressCount == 0)
        let none = ArrivalTable.Limits("none", total: 0, perAddress: 0)
        var shut = ArrivalTable(none)
        #expect(throws: LimitError(limit: "none", value: 0)) { _ = try shut.enter(from: "/ip4/127.0.0.1/tcp/1", nil, at: door.now) }
    }

    // MARK: Attacks

    /// Whether somebody who is quick gets in while others come all the time.
    ///
    /// - Parameters:
    ///   - rate: arrivals of the others in a second.
    ///   - stage: what each of them shows at once.
    ///   - ip: where the arrival with that number comes from.
    private func survives(
        _ rate: Int64, _ stage: ArrivalProgress.Stage, from honest: String = "192.0.2.1", roundTrip: Int64 = 50, ip: (Int) -> String
    ) throws -> Bool {
        var door = Door()
        var number = 0
        func attack(_ milliseconds: Int64) {
            for _ in 0..<max(1, milliseconds * rate / 1_000) {
                door.now = door.now + .nanoseconds(1_000_000_000 / rate)
                // Beyond the attackers' own allowance they are refused.
                _ = try? door.enter(ip(number), stage)
                number += 1
            }
        }
        attack(5_000)
        let (id, progress) = try door.enter(honest)
        // The first bytes come with the connection, or right behind it.
        attack(2)
        progress.advance(to: .heard, at: door.now)
        attack(1)
        for stage in [ArrivalProgress.Stage.opened, .negotiated, .handshaking] {
            progress.advance(to: stage, at: door.now)
            attack(roundTrip)
        }
        return !door.gone.contains(id)
    }

    @Test("Silent connections of few addresses, or of many, keep nobody out", arguments: [50, 1_000, 4_000] as [Int64])
    func silence(rate: Int64) throws {
        #expect(try self.survives(rate, .silent) { "10.1.1.\(1 + $0 % 4)" })
        #expect(try self.survives(rate, .silent) { "10.1.1.\(1 + $0 % 250)" })
        #expect(try self.survives(rate, .silent) { "10.\($0 % 250).1.1" })
        #expect(try self.survives(rate, .silent) { "2001:db8:1:\(String($0 % 65_536, radix: 16))::1" })
        // From the same network, from loopback, and behind the same address.
        #expect(try self.survives(rate, .silent, from: "10.1.1.251") { "10.1.1.\(1 + $0 % 250)" })
        #expect(try self.survives(rate, .silent, from: "127.0.0.1") { _ in "127.0.0.1" })
        #expect(try self.survives(rate, .silent, from: "10.1.1.1") { _ in "10.1.1.1" })
    }

    @Test("Nor do those who say a little, or ask for a WebSocket and then nothing", arguments: [50, 1_000] as [Int64])
    func little(rate: Int64) throws {
        for stage in [ArrivalProgress.Stage.heard, .opened] {
            #expect(try self.survives(rate, stage) { "10.1.1.\(1 + $0 % 4)" })
            #expect(try self.survives(rate, stage) { "10.\($0 % 250).1.1" })
            #expect(try self.survives(rate, stage, from: "127.0.0.1") { _ in "127.0.0.1" })
        }
    }

    @Test("Nor do half handshakes, unless the whole world sends them", arguments: [20, 200, 2_000] as [Int64])
    func halves(rate: Int64) throws {
        #expect(try self.survives(rate, .handshaking) { "10.1.1.\(1 + $0 % 8)" })
        #expect(try self.survives(rate, .handshaking) { "10.\(1 + $0 % 3).1.\(1 + $0 % 200)" })
    }

    @Test("A network that fills the places makes its own handshakes go only so often: each costs cryptography")
    func cost() throws {
        var door = Door()
        for number in 0..<256 { try door.enter("10.1.1.\(number % 250)", .negotiated) }
        var refused = 0
        for number in 0..<1_000 {
            door.now = door.now + .microseconds(100)
            do { try door.enter("10.1.1.\(number % 250)", .negotiated) } catch { refused += 1 }
        }
        #expect(refused == 1_000 - ArrivalTable.handshakesDisplaced)
        // Somebody else is not held to that.
        try door.enter("192.0.2.1")
        #expect(door.gone.count == ArrivalTable.handshakesDisplaced + 1)
    }

    @Test("Whoever makes room, the counts stay right", arguments: 1...6 as ClosedRange<UInt64>)
    func sequences(seed: UInt64) throws {
        var state = seed
        func number(below bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        var door = Door(16, perAddress: 4, known: [try #require(IPNetwork("10.7.0.0/16"))])
        var inside: [UInt64: ArrivalProgress] = [:]
        for _ in 0..<4_000 {
            switch number(below: 4) {
            case 0: if let id = inside.keys.sorted().dropFirst(number(below: 16)).first { door.table.leave(id); inside[id] = nil }
            case 1:
                let stage = ArrivalProgress.Stage(rawValue: UInt8(number(below: 5))) ?? .silent
                inside.values.dropFirst(number(below: 16)).first?.advance(to: stage, at: door.now)
            default:
                let mark = door.gone.count
                guard let new = try? door.enter("10.\(number(below: 8)).\(number(below: 3)).\(number(below: 3))") else { continue }
                for id in door.gone[mark...] { inside[id] = nil }
                inside[new.id] = new.progress
            }
            door.pass(Int64(number(below: 200)))
            #expect(door.table.count == inside.count && inside.count <= 20)
        }
        for id in inside.keys { door.table.leave(id) }
        #expect(door.table.count == 0 && door.table.addressCount == 0)
    }
}

@Suite("The door")
struct ArrivalDoorTests {
    @Test("Who loses a place is told the limit, once, also when it asks to be told afterwards")
    func losing() throws {
        let door = ArrivalDoor(ArrivalTable.Limits("pending", total: 1, perAddress: 1))
        let told = Journal<String>()
        let first = try door.place(for: "/ip4/10.0.0.1/tcp/1", nil)
        first.loss.then { told.note("lost") }
        let second = try door.place(for: "/ip4/10.0.0.2/tcp/1", nil)
        let (lost, kept, loss) = (first.lostTo, second.lostTo, first.loss)
        #expect(lost == LimitError(limit: "pending", value: 1) && kept == nil)
        #expect(loss.signal.isFired)
        loss.then { told.note("again") }
        #expect(told.entries == ["lost", "again"])
        #expect(door.count == 1)
        _ = consume first
        #expect(door.count == 1)
        _ = consume second
        #expect(door.count == 0 && door.addressCount == 0)
    }

    @Test("An arrival only ever moves forward")
    func progress() {
        let start = NIODeadline.uptimeNanoseconds(7)
        let progress = ArrivalProgress(at: start)
        progress.advance(to: .negotiated, at: start + .seconds(1))
        progress.advance(to: .heard, at: start + .seconds(2))
        progress.advance(to: .negotiated, at: start + .seconds(3))
        #expect(progress.stage == .negotiated && progress.current.since == start + .seconds(1))
        let late = NIODeadline.now() + .hours(24 * 365)
        progress.advance(to: .handshaking, at: late)
        #expect(progress.current.since == late)
    }
}
