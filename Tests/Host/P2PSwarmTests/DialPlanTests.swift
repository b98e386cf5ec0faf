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
        var plan = DialPlan()
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

    @Test("A place is lent: those that say nothing keep nobody from starting beside them, so many in a tenth of a second")
    func lent() throws {
        let addresses = try self.addresses(20, step: .zero)
        var plan = self.plan(addresses)
        for index in 0..<16 { #expect(plan.next(at: self.start) == .dial(addresses[index].address)) }
        #expect(plan.next(at: self.start) == .wait(until: self.start + DialPlan.freshTime))
        plan.failed(addresses[3].address)
        #expect(plan.next(at: self.start) == .dial(addresses[16].address))
        #expect(plan.untried == addresses[17...].map(\.address))
        for index in 17..<20 { #expect(plan.next(at: self.start + DialPlan.freshTime) == .dial(addresses[index].address)) }
        #expect(plan.openCount == 19)
    }

    /// A plan whose every place is taken by those before `addresses[places]`, at the start.
    private func full(_ addresses: [RankedAddress], _ limits: DialLimits, isLent: Bool) -> DialPlan {
        var plan = DialPlan(limits)
        plan.add(addresses, at: self.start)
        for _ in 0..<(isLent ? limits.openAttempts : limits.ownPlaces) { _ = plan.next(at: self.start, isLent: isLent) }
        return plan
    }

    @Test(
        "Where the places end, the one that has been silent the longest is called back, not before it had time to answer",
        arguments: [true, false])
    func recall(isLent: Bool) throws {
        var limits = DialLimits()
        (limits.ownPlaces, limits.openAttempts) = (isLent ? 1 : 3, isLent ? 3 : 64)
        let addresses = try self.addresses(4, step: .zero).map(\.address).map { RankedAddress(address: $0, delay: .zero) }
        var plan = self.full(addresses, limits, isLent: isLent)
        let later = self.start + DialPlan.patience
        #expect(plan.next(at: self.start, isLent: isLent) == .wait(until: later))
        plan.progressed(addresses[0].address, at: self.start)
        let known = self.start + DialPlan.handshakeHold
        guard case .recall(let silent) = plan.next(at: known, isLent: isLent) else { return #expect(Bool(false), "nobody was called back") }
        #expect(silent != addresses[0].address)
        // It has the place until it has gone.
        #expect(plan.next(at: known, isLent: isLent) == .wait(until: nil))
        #expect(plan.openCount == 3)
        let isBack = plan.failed(silent, isCancelled: true)
        #expect(isBack)
        #expect(plan.next(at: known, isLent: isLent) == .dial(addresses[3].address))
        #expect(plan.untried == [silent])
        #expect(plan.wasRecalled(silent))
        // The second turn waits for longer.
        #expect(plan.next(at: known + DialPlan.patience, isLent: isLent) == .wait(until: self.start + DialPlan.secondPatience))
        guard case .recall(let other) = plan.next(at: self.start + DialPlan.secondPatience, isLent: isLent) else {
            return #expect(Bool(false), "nobody was called back for the second turn")
        }
        #expect(other != silent)
        plan.failed(other, isCancelled: true)
        #expect(plan.next(at: self.start + DialPlan.secondPatience, isLent: isLent) == .dial(silent))
    }

    @Test("Whoever was called back and has failed by itself meanwhile has no second turn; whoever is cancelled otherwise has none either")
    func noSecondTurn() throws {
        var limits = DialLimits()
        limits.openAttempts = 8
        let addresses = try self.addresses(9, step: .zero)
        var plan = self.full(addresses, limits, isLent: true)
        let later = self.start + DialPlan.patience
        guard case .recall(let silent) = plan.next(at: later) else { return #expect(Bool(false), "nobody was called back") }
        let isBack = plan.failed(silent, isCancelled: false)
        #expect(!isBack)
        #expect(plan.next(at: later) == .dial(addresses[8].address))
        let isCancelledBack = plan.failed(addresses[8].address, isCancelled: true)
        #expect(!isCancelledBack)
        #expect(plan.untried.isEmpty)
    }

    @Test("An address that answers and then says nothing holds nobody back for longer than the hold, however many do")
    func tarpits() throws {
        let addresses = try self.addresses(40, step: .milliseconds(30))
        var plan = self.plan(addresses)
        #expect(plan.next(at: self.start) == .dial(addresses[0].address))
        plan.progressed(addresses[0].address, at: self.start + .milliseconds(10))
        #expect(plan.next(at: self.start + .milliseconds(100)) == .wait(until: self.start + DialPlan.handshakeHold))
        let free = self.start + DialPlan.handshakeHold
        for index in 1...16 {
            #expect(plan.next(at: free) == .dial(addresses[index].address))
            plan.progressed(addresses[index].address, at: free)
        }
        #expect(plan.next(at: free + DialPlan.freshTime) == .dial(addresses[17].address))
    }

    @Test("It waits for look-ups; the delays of what becomes known count from then")
    func lookups() throws {
        let later = try self.addresses(2, step: .milliseconds(250))
        var plan = DialPlan()
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
        // Nobody is held back for longer than that since it has become known.
        let due = self.start + DialPlan.handshakeHold
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
        #expect(plan.next(at: now) == .wait(until: self.start + DialPlan.handshakeHold))
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
