import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("Dial plan")
struct DialPlanTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func addresses(_ count: Int, step: TimeAmount) throws -> [RankedAddress] {
        try (0..<count).map { RankedAddress(address: try Multiaddr("/ip4/1.2.3.4/tcp/\($0 + 1)"), delay: step * $0) }
    }

    private func plan(_ addresses: [RankedAddress]) -> DialPlan {
        var plan = DialPlan(maximumInFlight: 8)
        plan.add(addresses, at: self.start)
        return plan
    }

    @Test("Addresses start at their times")
    func stagger() throws {
        let addresses = try self.addresses(2, step: .milliseconds(250))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        #expect(plan.next(at: self.start) == .wait(until: self.start + .milliseconds(250)))
        #expect(plan.next(at: self.start + .milliseconds(250)) == .dial(addresses[1].address))
        #expect(plan.next(at: self.start + .milliseconds(250)) == .wait(until: nil))
    }

    @Test("A failure lets one more address start before its time")
    func hurry() throws {
        let addresses = try self.addresses(4, step: .seconds(1))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        #expect(plan.next(at: self.start + .seconds(1)) == .dial(addresses[1].address))
        plan.failed(addresses[0].address)
        #expect(plan.next(at: self.start + .seconds(1)) == .dial(addresses[2].address))
        #expect(plan.next(at: self.start + .seconds(1)) == .wait(until: self.start + .seconds(3)))
    }

    @Test("When nothing is being dialled, the next address starts at once")
    func idle() throws {
        let addresses = try self.addresses(2, step: .seconds(1))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        plan.failed(addresses[0].address)
        #expect(plan.next(at: self.start) == .dial(addresses[1].address))
        plan.failed(addresses[1].address)
        #expect(plan.next(at: self.start) == .exhausted)
    }

    @Test("No more than the maximum are dialled at once")
    func maximum() throws {
        let addresses = try self.addresses(20, step: .zero)
        var plan = self.plan(addresses)
        for index in 0..<8 { #expect(plan.next(at: self.start) == .dial(addresses[index].address)) }
        #expect(plan.next(at: self.start) == .wait(until: nil))
        plan.failed(addresses[3].address)
        #expect(plan.next(at: self.start) == .dial(addresses[8].address))
        #expect(plan.untried == addresses[9...].map(\.address))
    }

    @Test("It waits for look-ups; the delays of what becomes known count from then")
    func lookups() throws {
        let later = try self.addresses(2, step: .milliseconds(250))
        var plan = DialPlan(maximumInFlight: 8)
        plan.lookupsBegan(2)
        #expect(plan.next(at: self.start) == .wait(until: nil))
        plan.lookupEnded()
        #expect(plan.next(at: self.start + .seconds(1)) == .wait(until: nil))
        plan.add(later, at: self.start + .seconds(2))
        plan.lookupEnded()
        #expect(plan.untried == later.map(\.address))
        #expect(plan.next(at: self.start + .seconds(2)) == .dial(later[0].address))
        #expect(plan.next(at: self.start + .seconds(2)) == .wait(until: self.start + .milliseconds(2_250)))
        plan.failed(later[0].address)
        #expect(plan.next(at: self.start + .seconds(2)) == .dial(later[1].address))
        plan.failed(later[1].address)
        #expect(plan.next(at: self.start + .seconds(2)) == .exhausted)
    }

    @Test("What becomes known later takes its turn among what is known")
    func order() throws {
        let known = try self.addresses(3, step: .seconds(2))
        let found = RankedAddress(address: Multiaddr("/ip4/1.2.3.4/tcp/99"), delay: .zero)
        var plan = self.plan(known)
        #expect(plan.next(at: self.start) == .dial(known[0].address))
        plan.add([found], at: self.start + .seconds(1))
        #expect(plan.untried == [found.address, known[1].address, known[2].address])
        #expect(plan.next(at: self.start + .seconds(1)) == .dial(found.address))
    }

    @Test("An address that answers holds the next one back, but not for longer than the hold")
    func hold() throws {
        let addresses = try self.addresses(3, step: .milliseconds(250))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        let answered = self.start + .milliseconds(100)
        plan.progressed(addresses[0].address, at: answered)
        let due = answered + DialPlan.handshakeHold
        #expect(plan.next(at: self.start + .milliseconds(250)) == .wait(until: due))
        // Saying it again prolongs nothing.
        plan.progressed(addresses[0].address, at: self.start + .milliseconds(300))
        #expect(plan.next(at: due - .nanoseconds(1)) == .wait(until: due))
        #expect(plan.next(at: due) == .dial(addresses[1].address))
        #expect(plan.next(at: due) == .dial(addresses[2].address))
    }

    @Test("The hold ends with its attempt, and another's failure does not end it")
    func holdEnds() throws {
        let addresses = try self.addresses(4, step: .milliseconds(250))
        var plan = self.plan(addresses)
        let now = self.start + .milliseconds(250)
        #expect(plan.next(at: now) == .dial(addresses[0].address))
        #expect(plan.next(at: now) == .dial(addresses[1].address))
        plan.progressed(addresses[0].address, at: now)
        plan.failed(addresses[1].address)
        #expect(plan.next(at: now) == .wait(until: now + DialPlan.handshakeHold))
        plan.failed(addresses[0].address)
        #expect(plan.next(at: now) == .dial(addresses[2].address))
    }

    @Test("After a success the plan goes on with those that may be better, at their times")
    func better() throws {
        let addresses = try self.addresses(4, step: .milliseconds(250))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        plan.progressed(addresses[0].address, at: self.start)
        plan.succeeded(addresses[0].address) { $0 == addresses[2].address }
        #expect(plan.untried == [addresses[2].address])
        #expect(plan.next(at: self.start) == .dial(addresses[2].address))
        plan.failed(addresses[2].address)
        #expect(plan.next(at: self.start) == .exhausted)
    }

    @Test("An address that is not being dialled holds nobody back")
    func strayProgress() throws {
        let addresses = try self.addresses(3, step: .milliseconds(250))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        plan.progressed(addresses[1].address, at: self.start)
        plan.failed(addresses[0].address)
        plan.progressed(addresses[0].address, at: self.start)
        #expect(plan.next(at: self.start) == .dial(addresses[1].address))
    }
}
