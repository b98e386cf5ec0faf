import NIOCore
import P2PCore
import Testing

@testable import P2PYamux

@Suite("Yamux and time")
struct YamuxTimeTests {
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    let window = Int(YamuxConfiguration.initialWindow)

    @Test("A silent peer is asked after 30 s and dead after 45 s")
    func deadPeer() {
        var session = YamuxSession(role: .dialer, now: self.start)
        #expect(session.tick(at: self.start) == .wait(until: self.start + .seconds(30)))
        #expect(session.tick(at: self.start + .seconds(30)) == .ping(0, until: self.start + .seconds(45)))
        #expect(session.nextControl(at: self.start + .seconds(30)) == YamuxHeader(type: .ping, flags: .syn, streamID: 0, length: 0))
        #expect(session.tick(at: self.start + .seconds(44)) == .wait(until: self.start + .seconds(45)))
        #expect(session.tick(at: self.start + .seconds(45)) == .dead)
    }

    @Test("A peer that is not asked because it talks is asked 30 s after its last word")
    func busyPeer() {
        var session = YamuxSession(role: .dialer, now: self.start)
        session.heard(at: self.start + .seconds(20))
        #expect(session.tick(at: self.start + .seconds(30)) == .wait(until: self.start + .seconds(50)))
        #expect(session.tick(at: self.start + .seconds(50)) == .ping(0, until: self.start + .seconds(65)))
    }

    @Test("A ping that is answered measures the round trip and keeps the connection")
    func answered() {
        var session = YamuxSession(role: .dialer, now: self.start)
        let asked = self.start + .seconds(30)
        _ = session.tick(at: asked)
        _ = session.nextControl(at: asked + .milliseconds(5))
        let pong = YamuxHeader(type: .ping, flags: .ack, streamID: 0, length: 0)
        session.heard(at: asked + .milliseconds(25))
        #expect(session.received(pong, at: asked + .milliseconds(25)) == .none)
        #expect(session.roundTrip == .milliseconds(20))
        #expect(session.tick(at: asked + .seconds(15)) == .wait(until: asked + .milliseconds(25) + .seconds(30)))
    }

    @Test("A peer that sends but never answers is given up after a minute")
    func neverAnswers() {
        var session = YamuxSession(role: .dialer, now: self.start)
        let asked = self.start + .seconds(30)
        #expect(session.tick(at: asked) == .ping(0, until: asked + .seconds(15)))
        for second in Int64(1)..<60 {
            session.heard(at: asked + .seconds(second))
            #expect(session.tick(at: asked + .seconds(second)) != .dead)
        }
        session.heard(at: asked + .seconds(60))
        #expect(session.tick(at: asked + .seconds(60)) == .dead)
    }

    @Test("Asked for a sign of life a peer is pinged at once, and once")
    func probe() {
        var session = YamuxSession(role: .dialer, now: self.start)
        for _ in 0..<3 { session.probe(at: self.start) }
        #expect(session.nextControl(at: self.start) == YamuxHeader(type: .ping, flags: .syn, streamID: 0, length: 0))
        #expect(session.nextControl(at: self.start) == nil)
        #expect(session.received(YamuxHeader(type: .ping, flags: .ack, streamID: 0, length: 0), at: self.start) == .none)
        session.probe(at: self.start)
        #expect(session.nextControl(at: self.start)?.length == 1)
    }

    @Test("Without an interval nobody is asked")
    func noKeepAlive() {
        var configuration = YamuxConfiguration()
        configuration.keepAliveInterval = nil
        var session = YamuxSession(role: .dialer, configuration: configuration, now: self.start)
        #expect(session.tick(at: self.start + .hours(100)) == .wait(until: nil))
    }

    /// Uploads as fast as windows allow over a path with this round trip, and says how often the sender ran out of window.
    func upload(_ total: Int, latency: TimeAmount, _ configuration: YamuxConfiguration = YamuxConfiguration()) throws -> YamuxSessionPair {
        let pair = YamuxSessionPair(configuration)
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = total
        while pair.dialer.streams[id]?.outgoing != 0 {
            while pair.dialer.session.sendable(on: id) > 0, pair.dialer.streams[id]?.outgoing != 0 { pair.dialer.send(id, quantum: 65_536) }
            for header in pair.dialer.takeWire(at: pair.now) { pair.listener.receive(header, at: pair.now + latency) }
            pair.now = pair.now + latency
            pair.listener.read(.max, on: id, at: pair.now)
            for header in pair.listener.takeWire(at: pair.now) { pair.dialer.receive(header, at: pair.now + latency) }
            pair.now = pair.now + latency
        }
        return pair
    }

    @Test("A window grows while half of it is consumed within two round trips, up to its maximum")
    func growth() throws {
        let pair = try self.upload(256 << 20, latency: .milliseconds(20))
        #expect(pair.listener.session.roundTrip == .milliseconds(40))
        #expect(pair.listener.session.windowGrowth == 15_990_784 + 524_288)
        #expect(pair.listener.session.creditThreshold(of: 1) == 8 << 20)
        #expect(pair.dialer.violation == nil && pair.listener.violation == nil)
    }

    @Test("A window that is consumed slowly stays as it is")
    func noGrowth() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = 20 * self.window
        for _ in 0..<80 {
            while pair.dialer.session.sendable(on: id) > 0, pair.dialer.streams[id]?.outgoing != 0 { pair.dialer.send(id, quantum: 65_536) }
            pair.settle(latency: .milliseconds(20))
            pair.now = pair.now + .milliseconds(500)
            pair.listener.read(self.window / 2, on: id, at: pair.now)
        }
        #expect(pair.listener.session.windowGrowth == 0)
        #expect(pair.listener.session.roundTrip == .milliseconds(40))
    }

    /// Uploads to a reader that passes everything on, `rate` bytes at a time and then not for 10 ms, or all that is there; the most that waited for it once it had begun.
    private func passOn(_ rate: Int, over pair: YamuxSessionPair, id: UInt32, total: Int) -> Int {
        pair.dialer.streams[id]?.outgoing = total
        var (left, most) = (total, 0)
        while left > 0 {
            while pair.dialer.session.sendable(on: id) > 0, pair.dialer.streams[id]?.outgoing != 0 { pair.dialer.send(id, quantum: 65_536) }
            pair.settle(latency: .milliseconds(5))
            let waiting = pair.listener.streams[id]?.unread ?? 0
            if left <= total / 2 { most = max(most, waiting) }
            let piece = min(rate, waiting)
            pair.listener.read(piece, on: id, passingOn: true, at: pair.now)
            left -= piece
            if rate < .max { pair.now = pair.now + .milliseconds(10) }
            pair.settle(latency: .milliseconds(5))
        }
        return most
    }

    @Test("Of what goes on slowly little waits, and the window is as wide as ever when it goes on fast again")
    func narrowing() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        #expect(self.passOn(8_192, over: pair, id: id, total: 8 << 20) == 64 << 10)
        #expect(pair.listener.session.creditThreshold(of: id) == 32 << 10)
        #expect(pair.listener.session.windowGrowth == 0)
        #expect(self.passOn(.max, over: pair, id: id, total: 64 << 20) > 1 << 20)
        #expect(pair.listener.session.windowGrowth > 1 << 20)
        #expect(self.passOn(8_192, over: pair, id: id, total: 256 << 20) == 64 << 10)
        #expect(pair.listener.session.windowGrowth == 0, "what it grew by is given back")
        #expect(pair.dialer.violation == nil && pair.listener.violation == nil)
    }

    /// Streams of peers that are 50 ms away and send `link` bytes a second each as far as their windows go, and are read `rate` bytes a second in all.
    ///
    /// - Returns: their windows then in KiB, the most that waited in all of them in the second half, and what was read in that, in bytes a second.
    private func relay(
        _ ids: [UInt32], over pair: YamuxSessionPair, seconds: Int, link: Int = 100_000_000, rate: Int = .max, passingOn: Bool = true
    ) -> (windows: [Int], waiting: Int, read: Int) {
        let (step, piece) = (TimeAmount.milliseconds(5), 32_768)
        var (forth, back) = ([(NIODeadline, YamuxHeader)](), [(NIODeadline, YamuxHeader)]())
        var (most, read, next) = (0, 0, 0)
        let steps = seconds * 200
        for number in 0..<steps {
            for id in ids {
                pair.dialer.streams[id]?.outgoing = link / 200
                while pair.dialer.session.sendable(on: id) > 0, pair.dialer.streams[id]?.outgoing ?? 0 > 0 {
                    pair.dialer.send(id, quantum: 65_536)
                }
            }
            forth += pair.dialer.takeWire(at: pair.now).map { (pair.now + .milliseconds(50), $0) }
            back += pair.listener.takeWire(at: pair.now).map { (pair.now + .milliseconds(50), $0) }
            pair.now = pair.now + step
            while let (time, header) = forth.first, time <= pair.now {
                pair.listener.receive(header, at: pair.now)
                forth.removeFirst()
            }
            while let (time, header) = back.first, time <= pair.now {
                pair.dialer.receive(header, at: pair.now)
                back.removeFirst()
            }
            // In pieces, by turns, as connections take them.
            var (left, idle) = (rate / 200, 0)
            while left > 0, idle < ids.count {
                let id = ids[next % ids.count]
                next += 1
                let count = min(piece, left, pair.listener.streams[id]?.unread ?? 0)
                if count > 0 { pair.listener.read(count, on: id, passingOn: passingOn, at: pair.now) }
                (left, idle) = (left - count, count > 0 ? 0 : idle + 1)
                if number >= steps / 2 { read += count }
            }
            if number >= steps / 2 { most = max(most, ids.reduce(0) { $0 + (pair.listener.streams[$1]?.unread ?? 0) }) }
        }
        for (_, header) in forth { pair.listener.receive(header, at: pair.now) }
        for (_, header) in back { pair.dialer.receive(header, at: pair.now) }
        return (ids.map { pair.listener.session.creditThreshold(of: $0) >> 9 }, most, read * 2 / seconds)
    }

    @Test("Of a busy relay's circuits no more waits, all together, than is to, and nothing is carried the slower for it")
    func busyRelay() throws {
        let budget = MemoryBudget(limit: 256 << 20)
        let pair = YamuxSessionPair(budget: budget)
        let ids = try (0..<100).map { _ in try #require(pair.dialer.open(at: pair.now)) }
        // With the windows that they have at first they could send six times as much.
        let busy = self.relay(ids, over: pair, seconds: 12, rate: 40_000_000)
        #expect(busy.waiting <= budget.passing.limit + 100 * Int(YamuxReceiveWindow.narrowest) && busy.read >= 39_000_000, "\(busy)")
        for id in ids { pair.listener.reset(id) }
        #expect(budget.passing.use == 0 && budget.reserved == 0)
        #expect(pair.dialer.violation == nil && pair.listener.violation == nil)
    }

    @Test(
        "Where little waits windows get as wide as far peers need, however many there are", arguments: [(1, 100_000_000), (20, 10_000_000)])
    func farPeers(count: Int, link: Int) throws {
        let budget = MemoryBudget(limit: 256 << 20)
        let pair = YamuxSessionPair(budget: budget)
        let ids = try (0..<count).map { _ in try #require(pair.dialer.open(at: pair.now)) }
        let far = self.relay(ids, over: pair, seconds: 10, link: link)
        #expect(far.read >= count * link / 10 * 8, "\(far)")
        // Until somebody takes less than they send; what they had been promised takes a while.
        let slow = self.relay(ids, over: pair, seconds: 40, link: link, rate: 10_000_000)
        #expect(slow.waiting <= 2 * budget.passing.limit && slow.read >= 9_900_000, "\(slow)")
    }

    @Test("Who is quick has the protocol's window at least, however much waits in others, also after he was slow")
    func besideACrowd() throws {
        let budget = MemoryBudget(limit: 256 << 20)
        let pair = YamuxSessionPair(budget: budget)
        let id = try #require(pair.dialer.open(at: pair.now))
        #expect(self.relay([id], over: pair, seconds: 12, link: 4_000_000, rate: 100_000).windows == [64])
        var crowd = PassingBacklog.Share()
        #expect(budget.passing.report(waiting: 4 * budget.passing.limit, of: &crowd, at: pair.now) > 0)
        let quick = self.relay([id], over: pair, seconds: 6, link: 4_000_000)
        #expect(quick.windows == [256] && quick.read >= 1_200_000, "\(quick)")
        budget.passing.forget(crowd)
        #expect(self.relay([id], over: pair, seconds: 3, link: 4_000_000).windows[0] >= 512, "and more when they are gone")
    }

    @Test("What a connection has no room for is no promise of the host's either")
    func refusedGrowth() throws {
        let budget = MemoryBudget(limit: 256 << 20)
        var configuration = YamuxConfiguration()
        configuration.maximumWindowGrowth = 1 << 20
        let pair = YamuxSessionPair(configuration, budget: budget)
        let id = try #require(pair.dialer.open(at: pair.now))
        #expect(self.relay([id], over: pair, seconds: 4, link: 50_000_000).windows == [1_024])
        #expect(budget.reserved == 768 << 10 && budget.passing.use <= 256 << 10, "\(budget.passing.use)")
    }

    @Test("A reader of its own has the windows that it needs, whatever waits in circuits")
    func notPassing() throws {
        let budget = MemoryBudget(limit: 256 << 20)
        var crowd = PassingBacklog.Share()
        let pair = YamuxSessionPair(budget: budget)
        #expect(budget.passing.report(waiting: 2 * budget.passing.limit, of: &crowd, at: pair.now) > 0)
        let id = try #require(pair.dialer.open(at: pair.now))
        #expect(self.relay([id], over: pair, seconds: 5, passingOn: false).windows[0] >= 8_192)
        #expect(budget.reserved >= 7 << 20)
    }

    @Test("All windows of a connection together grow to their common maximum, and a stream's share returns when it ends")
    func commonMaximum() throws {
        var configuration = YamuxConfiguration()
        configuration.maximumWindowGrowth = 1 << 20
        let pair = try self.upload(64 << 20, latency: .milliseconds(20), configuration)
        #expect(pair.listener.session.windowGrowth == 768 << 10)
        #expect(pair.listener.session.creditThreshold(of: 1) == 512 << 10)
        pair.listener.reset(1)
        #expect(pair.listener.session.windowGrowth == 0)
    }

    @Test("An idle connection never pings to measure; a busy one does so once in ten seconds")
    func measurements() throws {
        let pair = try self.upload(64 << 20, latency: .milliseconds(1))
        #expect(pair.dialer.session.roundTrip == nil)
        #expect(pair.listener.session.roundTrip == .milliseconds(2))
    }
}
