import NIOCore
import P2PIdentity
import Testing

@testable import P2PSwarm

@Suite("Whom a host dials of its own accord")
struct RedialScheduleTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func peers(_ count: Int) throws -> [PeerID] {
        try (0..<count).map { _ in PeerID(try PrivateKey.generate(.ed25519).publicKey) }
    }

    @Test("A kept peer is dialled at once, and again after a loss within a quarter of a second")
    func redial() throws {
        var schedule = RedialSchedule(seed: 1)
        let peer = try self.peers(1)[0]
        #expect(schedule.keep(peer, isConnected: false, at: self.start) == true)
        #expect(schedule.next(at: self.start) == [peer])
        #expect(schedule.next(at: self.start) == [])
        #expect(schedule.deadline == nil)
        schedule.connected(peer)
        #expect(schedule.next(at: self.start + .hours(1)) == [])
        schedule.lost(peer, at: self.start)
        let due = try #require(schedule.deadline)
        #expect(due >= self.start && due <= self.start + .milliseconds(250))
        #expect(schedule.next(at: due) == [peer])
    }

    @Test("Pauses grow, differ, and stay under two seconds while the peer has not been missing for long")
    func pauses() throws {
        var schedule = RedialSchedule(seed: 2)
        let peer = try self.peers(1)[0]
        _ = schedule.keep(peer, isConnected: false, at: self.start)
        var now = self.start
        var pauses: [Int64] = []
        var late: [Int64] = []
        while now < self.start + .minutes(30) {
            #expect(schedule.next(at: now) == [peer])
            schedule.failed(peer, at: now)
            let next = try #require(schedule.deadline)
            let pause = (next - now).nanoseconds / 1_000_000
            if now - self.start < .minutes(5) { pauses.append(pause) } else { late.append(pause) }
            now = next
        }
        #expect((125...250).contains(pauses[0]))
        #expect(pauses.allSatisfy { $0 <= 2_000 })
        #expect(Set(pauses).count > pauses.count / 2)
        #expect(late.allSatisfy { (30_000...60_000).contains($0) })
    }

    @Test("A changed network ends every pause and makes the pauses short again")
    func networkChange() throws {
        var schedule = RedialSchedule(seed: 3)
        let peer = try self.peers(1)[0]
        _ = schedule.keep(peer, isConnected: false, at: self.start)
        var now = self.start
        while now < self.start + .minutes(20) {
            _ = schedule.next(at: now)
            schedule.failed(peer, at: now)
            now = try #require(schedule.deadline)
        }
        let change = now - .seconds(29)
        schedule.networkChanged(at: change)
        let due = try #require(schedule.deadline)
        #expect(due <= change + .milliseconds(300))
        #expect(schedule.next(at: due) == [peer])
        schedule.failed(peer, at: due)
        #expect(try #require(schedule.deadline) <= due + .milliseconds(250))
    }

    @Test("Suspended, it dials nobody; resumed, everybody at once")
    func suspension() throws {
        var schedule = RedialSchedule(seed: 4)
        let peer = try self.peers(1)[0]
        _ = schedule.keep(peer, isConnected: true, at: self.start)
        schedule.suspend()
        schedule.lost(peer, at: self.start)
        #expect(schedule.deadline == nil)
        #expect(schedule.next(at: self.start + .hours(9)) == [])
        schedule.resume(at: self.start + .hours(9))
        #expect(try #require(schedule.deadline) <= self.start + .hours(9) + .milliseconds(300))
    }

    @Test(
        "A discovered peer whose connection is over before its dial is noted is dialled again if it was reported meanwhile, and only then")
    func foundAgain() throws {
        var schedule = RedialSchedule(seed: 5)
        let peers = try self.peers(3)
        let until = self.start + .seconds(60)
        for peer in peers { schedule.found(peer, until: until, yields: false, at: self.start) }
        var now = self.start + .milliseconds(101)
        #expect(Set(schedule.next(at: now)) == Set(peers))
        schedule.found(peers[0], until: until, yields: false, at: now)
        for peer in peers[..<2] { schedule.connectedAndLost(peer, at: now) }
        #expect(schedule.count == 2)
        // Its end was noted before its dial, and it was reported after that: the report stands.
        schedule.connected(peers[2])
        schedule.found(peers[2], until: until, yields: false, at: now)
        schedule.connectedAndLost(peers[2], at: now)
        now = now + .milliseconds(101)
        #expect(Set(schedule.next(at: now)) == [peers[0], peers[2]])
        // A report before a dial that failed says nothing of the next one.
        schedule.found(peers[0], until: until, yields: false, at: now)
        schedule.failed(peers[0], at: now)
        #expect(schedule.next(at: now + .seconds(1)) == [peers[0]])
        schedule.connectedAndLost(peers[0], at: now + .seconds(1))
        #expect(schedule.count == 1)
    }

    @Test("Where the addresses that failed are left alone for longer than the pause, the next dial waits for them, a minute at most")
    func leftAlone() throws {
        var schedule = RedialSchedule(seed: 5)
        let peer = try self.peers(1)[0]
        schedule.found(peer, until: self.start + .hours(1), yields: false, at: self.start)
        var now = self.start + .milliseconds(101)
        #expect(schedule.next(at: now) == [peer])
        schedule.failed(peer, leftAloneUntil: now + .seconds(5), at: now)
        #expect(schedule.deadline == now + .seconds(5))
        now = now + .seconds(5)
        #expect(schedule.next(at: now) == [peer])
        schedule.failed(peer, leftAloneUntil: now + .milliseconds(1), at: now)
        let due = try #require(schedule.deadline)
        #expect(due >= now + .milliseconds(250) && due <= now + .milliseconds(500))
        #expect(schedule.next(at: due) == [peer])
        schedule.failed(peer, leftAloneUntil: due + .minutes(5), at: due)
        #expect(schedule.deadline == due + .minutes(1))
        // Whoever reports it may know another address: the schedule's own pause is all that is left.
        schedule.found(peer, until: due + .hours(1), yields: false, at: due)
        let sooner = try #require(schedule.deadline)
        #expect(sooner >= due + .milliseconds(500) && sooner <= due + .seconds(1))
        // One that is to stay connected is dialled at once, and its addresses are never left alone.
        let isKept = schedule.keep(peer, isConnected: false, at: due + .milliseconds(1))
        #expect(isKept)
        #expect(schedule.next(at: due + .milliseconds(1)) == [peer])
        schedule.failed(peer, leftAloneUntil: due + .minutes(5), at: due + .milliseconds(2))
        #expect(try #require(schedule.deadline) <= due + .milliseconds(252))
    }

    @Test("A discovered peer is dialled until its time is up, then forgotten; connected, it is nobody's concern")
    func discovered() throws {
        var schedule = RedialSchedule(seed: 5)
        let peers = try self.peers(2)
        schedule.found(peers[0], until: self.start + .seconds(60), yields: false, at: self.start)
        schedule.found(peers[1], until: self.start + .seconds(60), yields: true, at: self.start)
        #expect(schedule.next(at: self.start + .milliseconds(101)) == [peers[0]])
        schedule.connected(peers[0])
        #expect(schedule.next(at: self.start + .milliseconds(1_200)) == [peers[1]])
        schedule.failed(peers[1], at: self.start + .milliseconds(1_300))
        #expect(schedule.next(at: self.start + .seconds(2)) == [peers[1]])
        schedule.failed(peers[1], at: self.start + .seconds(3))
        #expect(schedule.count == 1)
        #expect(schedule.next(at: self.start + .seconds(61)) == [])
        #expect(schedule.count == 0)
    }

    @Test("No more dials at a time than the limit, kept peers first, and no more peers than are remembered")
    func limits() throws {
        var schedule = RedialSchedule(seed: 6)
        let peers = try self.peers(30)
        for peer in peers[..<20] { schedule.found(peer, until: self.start + .minutes(9), yields: false, at: self.start) }
        for peer in peers[20...] { _ = schedule.keep(peer, isConnected: false, at: self.start) }
        let now = self.start + .seconds(2)
        let first = schedule.next(at: now)
        #expect(first.count == RedialSchedule.concurrentDials)
        #expect(Set(first).isSubset(of: peers[20...]))
        #expect(schedule.next(at: now) == [])
        for peer in first { schedule.connected(peer) }
        #expect(schedule.next(at: now).count == RedialSchedule.concurrentDials)
        var full = RedialSchedule(seed: 7)
        let many = try self.peers(RedialSchedule.keptLimit + 1)
        for peer in many.dropLast() { #expect(full.keep(peer, isConnected: false, at: self.start) == true) }
        let last = try #require(many.last)
        #expect(full.keep(last, isConnected: false, at: self.start) == false)
        var crowded = RedialSchedule(seed: 8)
        for peer in many { crowded.found(peer, until: self.start + .minutes(9), yields: false, at: self.start) }
        #expect(crowded.count == RedialSchedule.discoveredLimit)
    }

    @Test("Peers that do not answer keep nobody waiting: the next ones are dialled beside them, up to the limit of each kind")
    func lent() throws {
        var schedule = RedialSchedule(seed: 10)
        let peers = try self.peers(2 * RedialSchedule.openDials + 20)
        let (kept, found) = (peers.prefix(RedialSchedule.openDials + 10), peers.dropFirst(RedialSchedule.openDials + 10))
        for peer in kept { _ = schedule.keep(peer, isConnected: false, at: self.start) }
        for peer in found { schedule.found(peer, until: self.start + .minutes(9), yields: false, at: self.start) }
        var now = self.start + .seconds(1)
        var rounds: [Int] = []
        var dialled: Set<PeerID> = []
        while let due = schedule.deadline {
            now = max(now, due)
            let next = schedule.next(at: now)
            rounds.append(next.count)
            dialled.formUnion(next)
        }
        #expect(rounds.allSatisfy { (1...RedialSchedule.concurrentDials).contains($0) })
        #expect(now - self.start <= .seconds(4))
        #expect(dialled.intersection(kept).count == RedialSchedule.openDials)
        #expect(dialled.intersection(found).count == RedialSchedule.openDials)
        // One that has given up makes place for one that has not had its turn, not for itself again.
        let one = try #require(kept.first { dialled.contains($0) })
        schedule.failed(one, at: now)
        let next = schedule.next(at: now + .seconds(1))
        #expect(next.count == 1 && Set(next).isDisjoint(with: dialled) && Set(next).isSubset(of: kept))
    }

    @Test("A released peer is not dialled any more")
    func release() throws {
        var schedule = RedialSchedule(seed: 9)
        let peer = try self.peers(1)[0]
        _ = schedule.keep(peer, isConnected: false, at: self.start)
        #expect(schedule.keeps(peer) && schedule.keepsAny)
        schedule.release(peer)
        #expect(!schedule.keeps(peer) && !schedule.keepsAny)
        #expect(schedule.next(at: self.start) == [])
        schedule.failed(peer, at: self.start)
        schedule.lost(peer, at: self.start)
        #expect(schedule.count == 0)
    }
}
