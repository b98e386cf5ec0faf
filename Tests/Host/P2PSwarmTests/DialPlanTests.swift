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

    @Test("Addresses start at their times")
    func stagger() throws {
        let addresses = try self.addresses(2, step: .milliseconds(250))
        var plan = DialPlan(addresses, startedAt: self.start, deadline: self.start + .seconds(15), maximumInFlight: 8)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        #expect(plan.next(at: self.start) == .wait(until: self.start + .milliseconds(250)))
        #expect(plan.next(at: self.start + .milliseconds(250)) == .dial(addresses[1].address))
        #expect(plan.next(at: self.start + .milliseconds(250)) == .wait(until: self.start + .seconds(15)))
    }

    @Test("A failure lets one more address start before its time")
    func hurry() throws {
        let addresses = try self.addresses(3, step: .seconds(1))
        var plan = DialPlan(addresses, startedAt: self.start, deadline: self.start + .seconds(15), maximumInFlight: 8)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        plan.failed()
        #expect(plan.next(at: self.start) == .dial(addresses[1].address))
        #expect(plan.next(at: self.start) == .wait(until: self.start + .seconds(2)))
    }

    @Test("No more than the maximum are dialled at once")
    func maximum() throws {
        let addresses = try self.addresses(20, step: .zero)
        var plan = DialPlan(addresses, startedAt: self.start, deadline: self.start + .seconds(15), maximumInFlight: 8)
        for index in 0..<8 { #expect(plan.next(at: self.start) == .dial(addresses[index].address)) }
        #expect(plan.next(at: self.start) == .wait(until: self.start + .seconds(15)))
        plan.failed()
        #expect(plan.next(at: self.start) == .dial(addresses[8].address))
        #expect(plan.untried == addresses[9...].map(\.address))
    }

    @Test("It ends when all have failed, or at the deadline")
    func ends() throws {
        var plan = DialPlan(
            try self.addresses(1, step: .zero), startedAt: self.start, deadline: self.start + .seconds(1), maximumInFlight: 8)
        _ = plan.next(at: self.start)
        #expect(plan.next(at: self.start + .seconds(1)) == .expired)
        plan.failed()
        #expect(plan.next(at: self.start) == .exhausted)
    }

    @Test("It waits for look-ups; the delays of what they find count from then")
    func lookups() throws {
        let later = try self.addresses(2, step: .milliseconds(250))
        var plan = DialPlan([], lookups: 2, startedAt: self.start, deadline: self.start + .seconds(15), maximumInFlight: 8)
        #expect(plan.next(at: self.start) == .wait(until: self.start + .seconds(15)))
        plan.found([], at: self.start + .seconds(1))
        #expect(plan.next(at: self.start + .seconds(1)) == .wait(until: self.start + .seconds(15)))
        plan.found(later, at: self.start + .seconds(2))
        #expect(plan.untried == later.map(\.address))
        #expect(plan.next(at: self.start + .seconds(2)) == .dial(later[0].address))
        #expect(plan.next(at: self.start + .seconds(2)) == .wait(until: self.start + .milliseconds(2_250)))
        plan.failed()
        #expect(plan.next(at: self.start + .seconds(2)) == .dial(later[1].address))
        plan.failed()
        #expect(plan.next(at: self.start + .seconds(2)) == .exhausted)
    }

    @Test("What look-ups find takes its turn among what is known")
    func order() throws {
        let known = try self.addresses(3, step: .seconds(2))
        let found = RankedAddress(address: try Multiaddr("/ip4/1.2.3.4/tcp/99"), delay: .zero)
        var plan = DialPlan(known, lookups: 1, startedAt: self.start, deadline: self.start + .seconds(15), maximumInFlight: 8)
        #expect(plan.next(at: self.start) == .dial(known[0].address))
        plan.found([found], at: self.start + .seconds(1))
        #expect(plan.untried == [found.address, known[1].address, known[2].address])
        #expect(plan.next(at: self.start + .seconds(1)) == .dial(found.address))
    }
}
