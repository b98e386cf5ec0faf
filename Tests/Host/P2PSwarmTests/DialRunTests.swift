import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("A dial as a value")
struct DialRunTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let peer: PeerID
    private let stranger: PeerID

    init() throws {
        self.peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        self.stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
    }

    private var alarm: NIODeadline { self.now + .seconds(15) }

    private func address(_ port: Int) -> Multiaddr { Multiaddr(ip: .loopbackV4, tcp: UInt16(port)) }

    private func run(_ addresses: [Multiaddr], finders: [String] = []) -> DialRun {
        var run = DialRun(peer: self.peer, finders: finders)
        run.add(addresses.map { DialCandidate($0) }, at: self.now)
        return run
    }

    private func failure(_ address: Multiaddr, _ code: TransportError.Code = .unreachable) -> DialAttempt {
        DialAttempt(address: address, error: TransportError(code, "it failed"))
    }

    /// Everything that it wants now, without waiting.
    private func steps(_ run: inout DialRun, at now: NIODeadline? = nil) -> [DialRun.Step] {
        var steps: [DialRun.Step] = []
        while steps.last != .wait, steps.last != .over { steps.append(run.next(at: now ?? self.now, alarm: self.alarm)) }
        return steps
    }

    @Test("It dials, has itself woken for the next turn, and is over when everything has failed")
    func course() {
        let addresses = [self.address(1), self.address(2)]
        var run = self.run(addresses)
        let turn = self.now + .milliseconds(30)
        #expect(self.steps(&run) == [.dial(addresses[0]), .sleep(until: turn), .wait])
        #expect(self.steps(&run) == [.wait])
        run.slept(until: turn)
        #expect(self.steps(&run, at: turn) == [.dial(addresses[1]), .sleep(until: self.alarm), .wait])
        run.failed(self.failure(addresses[1]), at: self.now)
        #expect(self.steps(&run, at: turn) == [.wait])
        run.failed(self.failure(addresses[0]), at: self.now)
        #expect(self.steps(&run, at: turn) == [.over])
        let error = run.error(.exhausted)
        #expect(error.code == .allAddressesFailed)
        #expect(error.attempts.map(\.address) == [addresses[1], addresses[0]])
    }

    @Test("It sleeps once for each time, and again only for an earlier one")
    func sleeps() {
        var run = self.run([self.address(1)])
        #expect(self.steps(&run) == [.dial(self.address(1)), .sleep(until: self.alarm), .wait])
        run.add([DialCandidate(self.address(2)), DialCandidate(self.address(3))], at: self.now)
        let turn = self.now + .milliseconds(30)
        #expect(self.steps(&run) == [.dial(self.address(2)), .sleep(until: turn), .wait])
        run.slept(until: turn)
        #expect(self.steps(&run, at: turn) == [.dial(self.address(3)), .wait])
        run.slept(until: self.alarm)
        #expect(self.steps(&run, at: turn) == [.sleep(until: self.alarm), .wait])
    }

    @Test("An address is tried once, whoever names it, with or without the peer")
    func once() {
        var run = self.run([self.address(1), self.address(1).withPeerID(self.peer)])
        #expect(self.steps(&run) == [.dial(self.address(1)), .sleep(until: self.alarm), .wait])
        run.add([DialCandidate(self.address(1))], at: self.now)
        #expect(self.steps(&run) == [.wait])
        run.failed(self.failure(self.address(1)), at: self.now)
        run.add([DialCandidate(self.address(1))], at: self.now)
        #expect(self.steps(&run) == [.over])
        #expect(run.attempts.count == 1)
    }

    @Test("What speaks against an address is its reason, until somebody names it against whom it does not")
    func objections() {
        var run = self.run([])
        let lately = TransportError(.unreachable, "it failed lately")
        run.add([DialCandidate(self.address(1), objection: lately)], at: self.now)
        run.add([DialCandidate(self.address(1).withPeerID(self.peer), objection: lately)], at: self.now)
        run.add([DialCandidate(self.address(2).withPeerID(self.stranger))], at: self.now)
        #expect(self.steps(&run) == [.over])
        #expect(run.error(.exhausted).attempts.map(\.address) == [self.address(1), self.address(2).withPeerID(self.stranger)])
        #expect(run.error(.exhausted).code == .allAddressesFailed)
        run.add([DialCandidate(self.address(1).withPeerID(self.peer))], at: self.now)
        #expect(self.steps(&run) == [.dial(self.address(1)), .sleep(until: self.alarm), .wait])
        run.failed(self.failure(self.address(1), .peerMismatch), at: self.now)
        #expect(run.attempts.map(\.error.code) == [.peerMismatch, .peerMismatch])
        #expect(run.error(.exhausted).code == .peerMismatch)
    }

    @Test("Addresses and lists beyond the limits are left out by name, and no more of those are remembered than the limit")
    func limits() throws {
        var run = self.run([])
        for round in 0..<4 {
            run.add((1...200).map { DialCandidate(self.address(round * 200 + $0)) }, at: self.now)
        }
        let lists = try (0..<10).map { try Multiaddr("/dnsaddr/\($0).example") }
        run.add(lists.map { DialCandidate($0) }, at: self.now)
        let refused = run.attempts
        #expect(refused.count == SwarmConfiguration.maximumRefusalsPerDial)
        #expect(refused.allSatisfy { $0.error.cause as? LimitError == LimitError(limit: "maximumAddressesPerDial", value: 256) })
        #expect(self.steps(&run).count { if case .lookUp = $0 { true } else { false } } == SwarmConfiguration.maximumListsPerDial)
        #expect(run.error(.expired).attempts.count == 512)
    }

    @Test("Lists are looked up at once; lists within lists are not")
    func lists() throws {
        let list = try Multiaddr("/dnsaddr/example.org")
        var run = self.run([list, list.withPeerID(self.peer)])
        #expect(self.steps(&run) == [.lookUp(list.withPeerID(self.peer)), .sleep(until: self.alarm), .wait])
        let nested = try Multiaddr("/dnsaddr/nested.example")
        run.lookedUp(list.withPeerID(self.peer), .success([nested, self.address(1)].map { DialCandidate($0) }), at: self.now)
        #expect(self.steps(&run) == [.dial(self.address(1)), .wait])
        run.failed(self.failure(self.address(1)), at: self.now)
        #expect(self.steps(&run) == [.over])
    }

    @Test("A look-up that fails is one of the reasons")
    func failedList() throws {
        let list = try Multiaddr("/dnsaddr/example.org").withPeerID(self.peer)
        var run = self.run([list])
        _ = self.steps(&run)
        run.lookedUp(list, .failure(TransportError(.unresolvable, "no such name")), at: self.now)
        #expect(self.steps(&run) == [.over])
        #expect(run.error(.exhausted).attempts.map(\.address) == [list])
    }

    @Test("Finders are asked when all that is known has failed, once, and only if somebody wants them to be")
    func search() {
        var unwanted = self.run([], finders: ["dht"])
        #expect(self.steps(&unwanted) == [.over])

        var run = self.run([self.address(1)], finders: ["dht", "rendezvous"])
        run.wantSearch()
        #expect(self.steps(&run) == [.dial(self.address(1)), .sleep(until: self.now + DialRun.searchPatience), .wait])
        run.failed(self.failure(self.address(1)), at: self.now)
        #expect(self.steps(&run) == [.search, .wait])
        run.wantSearch()
        run.add([DialCandidate(self.address(2))], at: self.now)
        #expect(self.steps(&run) == [.dial(self.address(2)), .wait])
        run.searched(by: "rendezvous", failure: nil)
        run.failed(self.failure(self.address(2)), at: self.now)
        #expect(self.steps(&run) == [.wait])
        #expect(run.error(.expired).message.contains("dht: not done by then"))
        run.searched(by: "dht", failure: DialError(.noAddresses, "there is nobody to ask"))
        #expect(self.steps(&run) == [.over])
        let error = run.error(.exhausted)
        #expect(error.code == .allAddressesFailed)
        #expect(error.attempts.map(\.address) == [self.address(1), self.address(2)])
        #expect(error.message.contains("dht: ") && error.message.contains("there is nobody to ask"))
    }

    @Test("Finders are asked beside addresses that say nothing, once the last of them has had its time")
    func searchBesideSilence() {
        var run = self.run([self.address(1), self.address(2)], finders: ["dht"])
        run.wantSearch()
        let turn = self.now + .milliseconds(30)
        #expect(self.steps(&run) == [.dial(self.address(1)), .sleep(until: turn), .wait])
        run.slept(until: turn)
        let due = turn + DialRun.searchPatience
        #expect(self.steps(&run, at: turn) == [.dial(self.address(2)), .sleep(until: due), .wait])
        run.slept(until: due)
        #expect(self.steps(&run, at: due) == [.search, .sleep(until: self.alarm), .wait])
        run.searched(by: "dht", failure: nil)
        run.failed(self.failure(self.address(1)), at: due)
        run.failed(self.failure(self.address(2)), at: due)
        #expect(self.steps(&run, at: due) == [.over])
    }

    @Test("What is called back is no failure; when its second turn has not come, the error says so")
    func recalled() {
        var limits = DialLimits()
        limits.openAttempts = 1
        var run = DialRun(peer: self.peer, limits: limits)
        run.add([1, 2].map { DialCandidate(self.address($0)) }, at: self.now)
        #expect(run.next(at: self.now, alarm: self.alarm) == .dial(self.address(1)))
        let later = self.now + DialPlan.patience
        #expect(run.next(at: later, alarm: self.alarm) == .recall(self.address(1)))
        run.failed(self.failure(self.address(1), .cancelled), at: later)
        #expect(run.next(at: later, alarm: self.alarm) == .dial(self.address(2)))
        #expect(run.attempts.isEmpty)
        let error = run.error(.expired)
        #expect(error.attempts.map(\.address) == [self.address(2), self.address(1)])
        #expect(error.attempts.last?.error.message.contains("second turn") == true)
    }

    @Test("A dial that leads to a connection tells where nothing was heard of the peer")
    func lesson() throws {
        let udp = try Multiaddr("/ip4/10.0.0.1/udp/1/quic-v1")
        let (early, late) = (self.address(1), self.address(2))
        var run = self.run([udp, early, late])
        #expect(run.next(at: self.now, alarm: self.alarm) == .dial(udp))
        let now = self.now + .milliseconds(300)
        while case .dial = run.next(at: now, alarm: self.alarm) {}
        run.progressed(late, at: now)
        #expect(run.lesson(of: late, at: now) == DialExperience.Lesson(answered: late, silent: [udp]))
        // What has ended by then counts, and so does what has been silent for long enough now.
        run.failed(self.failure(udp, .timedOut), at: now)
        #expect(run.lesson(of: late, at: now + .seconds(1)).silent == [udp, early])
    }

    @Test("Without an address and without a find, the error says that none is known, and what finders said")
    func nothing() {
        var run = self.run([], finders: ["dht"])
        run.wantSearch()
        #expect(self.steps(&run) == [.search, .sleep(until: self.alarm), .wait])
        run.searched(by: "dht", failure: DialError(.timedOut, "nobody answered"))
        #expect(self.steps(&run) == [.over])
        let error = run.error(.exhausted)
        #expect(error.code == .noAddresses)
        #expect(error.message.contains("nobody answered"))
    }

    @Test("At the deadline each address has its reason: failed, no connection yet, no turn yet")
    func expired() {
        let addresses = (1...3).map { self.address($0) }
        var run = self.run(addresses)
        _ = self.steps(&run)
        _ = self.steps(&run, at: self.now + .milliseconds(30))
        run.failed(self.failure(addresses[0]), at: self.now)
        let error = run.error(.expired)
        #expect(error.code == .timedOut)
        #expect(error.attempts.map(\.address) == addresses)
        #expect(error.attempts.map(\.error.code) == [.unreachable, .timedOut, .timedOut])
        #expect(Set(error.attempts.map(\.error.message)).count == 3)
        #expect(run.error(.cancelled).code == .cancelled)
    }

    @Test("Handshakes that were late are told from an address where nobody answered, by the cause", arguments: [false, true])
    func lateHandshakes(isAtDeadline: Bool) {
        let addresses = (1...2).map { self.address($0) }
        var run = self.run(addresses)
        _ = self.steps(&run)
        _ = self.steps(&run, at: self.now + .milliseconds(300))
        run.progressed(addresses[0], at: self.now + .milliseconds(400))
        if !isAtDeadline { for address in addresses { run.failed(self.failure(address, .timedOut), at: self.now + .seconds(5)) } }
        let errors = run.error(isAtDeadline ? .expired : .exhausted).attempts.map(\.error)
        #expect(errors.map(\.code) == [.timedOut, .timedOut])
        #expect(errors.map { ($0.cause as? TransportError)?.code } == [.securityFailed, nil])
        #expect(errors.allSatisfy { !$0.description.contains("securityFailed") }, "it says nothing that people need")
    }

    @Test("When a relay lends a connection, only direct addresses go on, and nothing goes on without any")
    func settled() throws {
        let relayed = try (1...3).map { port in
            try self.address(port).withPeerID(self.stranger).appending(MultiaddrComponent(.p2pCircuit))
        }
        var run = self.run([self.address(9), relayed[0], relayed[1]], finders: ["dht"])
        run.wantSearch()
        let turn = self.now + .milliseconds(500)
        #expect(self.steps(&run) == [.dial(self.address(9)), .sleep(until: turn), .wait])
        run.slept(until: turn)
        #expect(self.steps(&run, at: turn).first == .dial(relayed[0]))
        let goesOn = run.settled(for: relayed[0])
        #expect(goesOn)
        run.add([DialCandidate(relayed[2]), DialCandidate(self.address(10))], at: turn)
        #expect(self.steps(&run, at: turn) == [.dial(self.address(10)), .wait])
        run.failed(self.failure(self.address(9)), at: self.now)
        run.failed(self.failure(self.address(10)), at: self.now)
        #expect(self.steps(&run, at: turn) == [.over])

        var alone = self.run([relayed[0], relayed[1]])
        _ = self.steps(&alone)
        let goesOnAlone = alone.settled(for: relayed[0])
        #expect(!goesOnAlone)
    }

    @Test("An address that answers holds the next one back")
    func hold() {
        var run = self.run([self.address(1), self.address(2)])
        _ = self.steps(&run)
        run.progressed(self.address(1), at: self.now)
        run.slept(until: self.now + .milliseconds(30))
        let due = self.now + DialPlan.handshakeHold
        #expect(self.steps(&run, at: self.now + .milliseconds(30)) == [.sleep(until: due), .wait])
        run.slept(until: due)
        #expect(self.steps(&run, at: due) == [.dial(self.address(2)), .sleep(until: self.alarm), .wait])
    }
}
