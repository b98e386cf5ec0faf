import NIOCore
import P2PCore
import P2PMuxing
import P2PTesting
import Testing

@testable import P2PQUIC

@Suite("Whether a QUIC peer lives")
struct QUICLivenessTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func liveness(
        _ configuration: QUICConfiguration = .server, peerIdle: TimeAmount? = nil, as role: ConnectionRole = .listener
    ) -> QUICLiveness {
        var liveness = QUICLiveness(QUICLiveness.Settings(configuration), at: Self.start)
        liveness.agreed(peerIdle: peerIdle, as: role)
        return liveness
    }

    struct Agreement: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let configuration: QUICConfiguration
        let peerIdle: TimeAmount?
        let role: ConnectionRole
        let quiet: TimeAmount
        let busy: TimeAmount
        let quietEnd: TimeAmount
    }

    private static let agreements = [
        Agreement(
            testDescription: "a listener with a peer of ours", configuration: .server, peerIdle: .seconds(30), role: .listener,
            quiet: .seconds(15), busy: .seconds(3), quietEnd: .seconds(30)),
        Agreement(
            testDescription: "a dialer, which asks first", configuration: .server, peerIdle: .seconds(30), role: .dialer,
            quiet: .seconds(14), busy: .seconds(3), quietEnd: .seconds(30)),
        Agreement(
            testDescription: "a peer that never forgets", configuration: .server, peerIdle: nil, role: .listener,
            quiet: .seconds(15), busy: .seconds(3), quietEnd: .seconds(30)),
        Agreement(
            testDescription: "a rust node, which forgets after 10 s", configuration: .server, peerIdle: .seconds(10), role: .listener,
            quiet: .seconds(5), busy: .seconds(3), quietEnd: .seconds(10)),
        Agreement(
            testDescription: "one of ours as it was, with 6 s", configuration: .server, peerIdle: .seconds(6), role: .dialer,
            quiet: .seconds(2), busy: .seconds(3), quietEnd: .seconds(6)),
        Agreement(
            testDescription: "one that forgets after a second", configuration: .server, peerIdle: .seconds(1), role: .dialer,
            quiet: .milliseconds(250), busy: .milliseconds(500), quietEnd: .seconds(1)),
        Agreement(
            testDescription: "a phone", configuration: .mobile, peerIdle: .seconds(60), role: .listener,
            quiet: .seconds(25), busy: .seconds(25), quietEnd: .seconds(60)),
        Agreement(
            testDescription: "a phone with a server", configuration: .mobile, peerIdle: .seconds(30), role: .listener,
            quiet: .seconds(15), busy: .seconds(15), quietEnd: .seconds(30)),
    ]

    @Test(
        "It asks often while there are streams, seldom while there are none, and at least twice before the peer forgets it",
        arguments: agreements)
    func intervals(agreement: Agreement) {
        var liveness = Self.liveness(agreement.configuration, peerIdle: agreement.peerIdle, as: agreement.role)
        #expect(liveness.interval == agreement.quiet)
        #expect(liveness.deadline == Self.start + agreement.quietEnd)
        let isNews = liveness.set(isBusy: true, at: Self.start)
        #expect(isNews)
        #expect(liveness.interval == agreement.busy)
        let isNewsAgain = liveness.set(isBusy: true, at: Self.start)
        #expect(!isNewsAgain)
        let isNewsAtTheEnd = liveness.set(isBusy: false, at: Self.start)
        #expect(isNewsAtTheEnd)
        #expect(liveness.interval == agreement.quiet)
    }

    @Test(
        "Whoever opens a stream hears within ten seconds that the peer is dead, however long the silence was before",
        arguments: [0, 3, 14, 29])
    func opening(silence: Int64) throws {
        var liveness = Self.liveness()
        let opened = Self.start + .seconds(silence)
        _ = liveness.set(isBusy: true, at: opened)
        let end = try #require(liveness.deadline)
        #expect(end - opened <= .seconds(10))
        #expect(end - opened >= .seconds(6), "an answer has time to come")
        let early = liveness.isDead(at: end - .nanoseconds(1))
        #expect(!early)
        let isDead = liveness.isDead(at: end)
        #expect(isDead)
    }

    @Test("Whoever reads on a stream hears of it within ten seconds of the last sign of life")
    func reading() throws {
        var liveness = Self.liveness()
        _ = liveness.set(isBusy: true, at: Self.start)
        for second in stride(from: Int64(3), through: 60, by: 3) {
            let now = Self.start + .seconds(second)
            let isDead = liveness.isDead(at: now)
            #expect(!isDead)
            liveness.heard(at: now)
        }
        #expect(try #require(liveness.deadline) - (Self.start + .seconds(60)) == .seconds(9))
    }

    @Test("A quiet connection that is not answered is dead when the idle time is over")
    func quiet() {
        var liveness = Self.liveness()
        liveness.heard(at: Self.start + .seconds(15))
        let early = liveness.isDead(at: Self.start + .seconds(44))
        #expect(!early)
        let late = liveness.isDead(at: Self.start + .seconds(45))
        #expect(late)
    }

    @Test("A process that was stopped gives its peers their time anew")
    func away() throws {
        var liveness = Self.liveness()
        _ = liveness.set(isBusy: true, at: Self.start)
        let back = Self.start + .minutes(10)
        let atOnce = liveness.isDead(at: back)
        #expect(!atOnce)
        let end = try #require(liveness.deadline)
        #expect(end > back && end - back <= .seconds(10))
        let isDead = liveness.isDead(at: end)
        #expect(isDead)
    }

    @Test("One that never asks takes nobody for dead")
    func never() {
        var configuration = QUICConfiguration.mobile
        configuration.keepAliveInterval = nil
        var liveness = Self.liveness(configuration)
        #expect(liveness.interval == nil)
        #expect(liveness.deadline == nil)
        let isDead = liveness.isDead(at: Self.start + .hours(1))
        #expect(!isDead)
    }
}

@Suite("The wheel of QUIC's timers")
struct QUICWheelTests {
    private typealias Wheel = QUICWheel<Int>

    @Test("Nobody is woken early, nor a grain late", arguments: [0, 1, 249_999_999, 250_000_000, 250_000_001, 1_000_000_000] as [UInt64])
    func moments(offset: UInt64) {
        let deadline = NIODeadline.uptimeNanoseconds(77_000_000_000 + offset)
        let time = Wheel.time(of: Wheel.moment(for: deadline))
        #expect(time >= deadline && time - deadline < Wheel.grain)
    }

    @Test("A thousand connections share the moments of their interval; so many are woken at once as may be, and nobody is forgotten")
    func shares() throws {
        var wheel = Wheel()
        let start = NIODeadline.uptimeNanoseconds(50_000_000_000)
        var moments: Set<UInt64> = []
        for number in 0..<1_000 {
            let moment = Wheel.moment(for: start + .milliseconds(Int64(number)))
            moments.insert(moment)
            wheel.add(number, at: moment)
        }
        #expect(moments.count == 5)
        #expect(wheel.next == Wheel.time(of: try #require(moments.min())))
        let early = wheel.take(upTo: 64, at: start - .nanoseconds(1))
        #expect(early.isEmpty)
        var woken: [Int] = []
        var now = start
        while let next = wheel.next {
            now = max(now, next)
            let taken = wheel.take(upTo: 64, at: now)
            #expect(!taken.isEmpty && taken.count <= 64)
            for (moment, number) in taken {
                #expect(Wheel.time(of: moment) >= start + .milliseconds(Int64(number)))
                woken.append(number)
            }
        }
        #expect(woken.sorted() == Array(0..<1_000))
        #expect(wheel.count == 0)
        #expect(now - start <= .milliseconds(1_250))
    }
}

#if QUIC
    @Suite("A QUIC peer that has gone without a word", .timeLimit(.minutes(1)))
    struct QUICGonePeerTests {
        @Test("Whoever opens a stream on a quiet connection hears of it when the peer's patience is over, not when the idle time is")
        func opening() async throws {
            var configuration = QUICConfiguration.server
            configuration.busyKeepAliveInterval = .milliseconds(500)
            configuration.busyPatience = .seconds(1)
            configuration.restAfter = .milliseconds(20)
            let relays = Inbox<DatagramRelay, Never>(limit: 1)
            let pair = try await QUICNode(configuration).connect(to: try await QUICNode(configuration)) { address in
                let relay = try await DatagramRelay.make(to: address)
                #expect(relays.offer(relay))
                return try relay.address
            }
            let relay = try #require(await relays.next())
            try await pair.dialer.whileEchoing(pair.listener) { dialer in
                // A stream that has come and gone leaves a quiet connection behind.
                try await dialer.echo(1_000)
                let patience = ContinuousClock.now + .seconds(20)
                while try await dialer.fromSession({ $0.isWaitingForPeer }) != false, ContinuousClock.now < patience {
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(try await dialer.fromSession { $0.isWaitingForPeer } == false)
                relay.narrow(to: 0)
                let start = ContinuousClock.now
                let stream = try await dialer.openStream()
                try await stream.write(bytes: [1])
                let error = await #expect(throws: StreamError.self) { _ = try await stream.read() }
                #expect(error?.code == .connectionLost)
                #expect((error?.cause as? ConnectionError)?.code == .keepAliveTimedOut)
                let took = ContinuousClock.now - start
                #expect(took >= .milliseconds(900) && took < .seconds(10), "it took \(took)")
            }
            try await relay.close()
        }
    }
#endif
