import NIOCore
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PTCP

@Suite("Who waits to be taken up")
struct DoorstepTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func network(_ text: String) -> NetworkKey { NetworkKey(IPAddress(text)) }

    private func doorstep(waiting: Int = 8, underWay: Int = 4, quietTaken: Int = 2) -> Doorstep {
        Doorstep(
            Doorstep.Limits(
                waiting: waiting, underWay: underWay, quietTaken: quietTaken, period: .milliseconds(250), patience: .seconds(1)),
            now: Self.start)
    }

    @Test("Nobody waits while there are few")
    func few() {
        var doorstep = self.doorstep(underWay: 2)
        #expect(doorstep.takeUpAtOnce(isCrowded: false) == true)
        #expect(doorstep.takeUpAtOnce(isCrowded: false) == true)
        #expect(doorstep.takeUpAtOnce(isCrowded: false) == false)
        doorstep.begun(1)
        #expect(doorstep.takeUpAtOnce(isCrowded: false) == true)
        #expect(doorstep.isEmpty)
    }

    @Test("Whoever waits already comes before the next")
    func order() {
        var doorstep = self.doorstep(underWay: 1)
        #expect(doorstep.takeUpAtOnce(isCrowded: false) == true)
        let first = doorstep.enter(from: self.network("10.0.0.1"), at: Self.start)
        doorstep.begun(1)
        #expect(doorstep.takeUpAtOnce(isCrowded: false) == false)
        #expect(doorstep.takeUp(at: Self.start) { false } == first.slot)
        #expect(doorstep.isEmpty)
    }

    @Test("Whoever has spoken goes first, even if there are many inside who have not")
    func spoken() {
        var doorstep = self.doorstep(quietTaken: 0)
        let quiet = (0..<3).map { _ in doorstep.enter(from: self.network("10.0.0.1"), at: Self.start).slot }
        let speaker = doorstep.enter(from: self.network("10.0.0.2"), at: Self.start).slot
        doorstep.spoke(speaker)
        #expect(doorstep.takeUp(at: Self.start) { true } == speaker)
        #expect(doorstep.takeUp(at: Self.start) { true } == nil)
        #expect(doorstep.takeUp(at: Self.start) { false } == quiet[0])
    }

    @Test("The quiet are taken up a few at a time while there are many of them inside")
    func rate() {
        var doorstep = self.doorstep(underWay: 100)
        for _ in 0..<8 { _ = doorstep.enter(from: self.network("10.0.0.1"), at: Self.start) }
        func taken(at now: NIODeadline) -> Int {
            var count = 0
            while doorstep.takeUp(at: now, isCrowded: { true }) != nil { count += 1 }
            return count
        }
        #expect(taken(at: Self.start) == 2)
        #expect(taken(at: Self.start + .milliseconds(249)) == 0)
        #expect(taken(at: Self.start + .milliseconds(250)) == 2)
        #expect(doorstep.count == 4)
    }

    @Test("Networks take turns, however many of one wait")
    func turns() {
        var doorstep = self.doorstep()
        let many = (0..<3).map { _ in doorstep.enter(from: self.network("10.1.0.1"), at: Self.start).slot }
        let one = doorstep.enter(from: self.network("10.2.0.1"), at: Self.start).slot
        #expect((0..<4).map { _ in doorstep.takeUp(at: Self.start) { false } } == [many[0], one, many[1], many[2]])
    }

    @Test("When all places are taken, the oldest of the network makes room of which most wait")
    func displaced() {
        var doorstep = self.doorstep(waiting: 4)
        let one = doorstep.enter(from: self.network("10.2.0.1"), at: Self.start)
        let many = (0..<3).map { _ in doorstep.enter(from: self.network("10.1.0.1"), at: Self.start).slot }
        let next = doorstep.enter(from: self.network("10.3.0.1"), at: Self.start)
        #expect(one.displaced == nil && next.displaced == many[0] && next.slot == many[0])
        #expect(doorstep.count == 4)
    }

    @Test("Whoever has spoken is the last to make room")
    func displacedLast() {
        var doorstep = self.doorstep(waiting: 3)
        let slots = (0..<3).map { _ in doorstep.enter(from: self.network("10.1.0.1"), at: Self.start).slot }
        for slot in slots.prefix(2) { doorstep.spoke(slot) }
        #expect(doorstep.enter(from: self.network("10.1.0.1"), at: Self.start).displaced == slots[2])
        doorstep.spoke(slots[2])
        #expect(doorstep.enter(from: self.network("10.9.0.1"), at: Self.start).displaced == slots[0])
    }

    @Test("Whoever says nothing for too long is turned away, and nobody else")
    func overdue() {
        var doorstep = self.doorstep()
        let quiet = doorstep.enter(from: self.network("10.1.0.1"), at: Self.start).slot
        let speaker = doorstep.enter(from: self.network("10.1.0.1"), at: Self.start).slot
        let late = doorstep.enter(from: self.network("10.1.0.1"), at: Self.start + .milliseconds(900)).slot
        doorstep.spoke(speaker)
        #expect(doorstep.leaveOverdue(at: Self.start + .milliseconds(999)) == [])
        #expect(doorstep.leaveOverdue(at: Self.start + .milliseconds(1_300)) == [quiet])
        #expect(doorstep.count == 2)
        doorstep.leave(late)
        #expect(doorstep.takeUp(at: Self.start + .seconds(5)) { true } == speaker)
    }

    @Test("A flood leaves nothing behind, and its numbers are given out again")
    func empty() {
        var doorstep = self.doorstep(waiting: 64, underWay: 1_000)
        for round in 0..<3 {
            for number in 0..<500 { _ = doorstep.enter(from: self.network("10.\(round).\(number % 250).1"), at: Self.start) }
            #expect(doorstep.count == 64)
            for slot in 0..<64 { doorstep.leave(slot) }
            #expect(doorstep.isEmpty)
            #expect(doorstep.takeUp(at: Self.start) { false } == nil)
            #expect(doorstep.enter(from: self.network("10.0.0.1"), at: Self.start).slot == 0)
            doorstep.leave(0)
        }
    }
}

@Suite("Arrivals that have shown little")
struct QuietArrivalsTests {
    @Test("Those that have agreed on a secure channel, have ended, or serve something else are none")
    func many() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var quiet = QuietArrivals()
        var held = (0..<QuietArrivals.many).map { _ in ArrivalProgress(at: start) }
        #expect(quiet.areMany(at: start) == false)
        for progress in held { quiet.add(progress, at: start) }
        #expect(quiet.areMany(at: start) == true)
        held[0].advance(to: .negotiated)
        #expect(quiet.areMany(at: start + .milliseconds(10)) == false)
        let more = ArrivalProgress(at: start)
        quiet.add(more, at: start)
        #expect(quiet.areMany(at: start + .milliseconds(20)) == true)
        held.removeLast()
        #expect(quiet.areMany(at: start + .milliseconds(30)) == false)
        let last = (0..<QuietArrivals.many).map { _ in ArrivalProgress(at: start) }
        for progress in last { quiet.add(progress, at: start) }
        #expect(quiet.areMany(at: start + .milliseconds(40)) == true)
        #expect(quiet.areMany(at: start + .seconds(11)) == false)
        withExtendedLifetime((held, more, last)) {}
    }
}
