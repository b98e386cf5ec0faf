import NIOCore
import P2PCore
import Testing

@testable import P2PRelay

@Suite("When a relay is asked for a place")
struct ReservationScheduleTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let connection = ConnectionID()
    private var schedule = ReservationSchedule(seed: 7)

    private func at(_ seconds: Int64) -> NIODeadline { self.start + .seconds(seconds) }

    /// How long it waits from then on, in seconds.
    private mutating func pause(at time: NIODeadline) -> Double {
        guard case .wait(let until) = self.schedule.next(at: time) else { return 0 }
        return Double((until - time).nanoseconds) / 1e9
    }

    @Test("At once, and again at three quarters of a place's life; meanwhile the place stays")
    mutating func renewal() {
        #expect(self.schedule.next(at: self.start) == .ask)
        self.schedule.granted(for: .hours(1), on: self.connection, at: self.start)
        #expect(self.schedule.next(at: self.start) == .wait(until: self.at(2_700)))
        #expect(self.schedule.next(at: self.at(2_700)) == .ask)
        #expect(self.schedule.place?.connection == self.connection)
        self.schedule.granted(for: .hours(1), on: self.connection, at: self.at(2_700))
        #expect(self.schedule.place?.until == self.at(6_300))
    }

    @Test("However short a place's life, the relay is asked every five seconds at most")
    mutating func shortLife() {
        self.schedule.granted(for: .seconds(1), on: self.connection, at: self.start)
        #expect(self.schedule.next(at: self.start) == .wait(until: self.at(1)))
        #expect(self.schedule.next(at: self.at(1)) == .wait(until: self.at(5)))
        #expect(self.schedule.place == nil)
        #expect(self.schedule.next(at: self.at(5)) == .ask)
    }

    @Test("However long a relay says, a place lasts a day")
    mutating func longLife() {
        self.schedule.granted(for: .hours(10_000), on: self.connection, at: self.start)
        #expect(self.schedule.place?.until == self.at(86_400))
    }

    @Test("Refusals are asked about after 30 s, doubled up to 15 min, a fifth more or less")
    mutating func refusals() {
        var now = self.start
        for expected in [30.0, 60, 120, 240, 480, 900, 900] {
            self.schedule.failed(.refused, at: now)
            let pause = self.pause(at: now)
            #expect((expected * 0.8...expected * 1.2).contains(pause))
            now = now + .nanoseconds(Int64(pause * 1e9) + 1_000)
            #expect(self.schedule.next(at: now) == .ask)
        }
    }

    @Test("A relay that is not there is tried after a second, doubled up to a minute")
    mutating func absence() {
        for expected in [1.0, 2, 4, 8, 16, 32, 60, 60] {
            self.schedule.failed(.unreachable, at: self.start)
            #expect((expected * 0.8...expected * 1.2).contains(self.pause(at: self.start)))
        }
    }

    @Test("A renewal that fails keeps the place until its end, and tries again before; a relay that does not want to ends it")
    mutating func failedRenewal() {
        self.schedule.granted(for: .seconds(100), on: self.connection, at: self.start)
        self.schedule.failed(.refused, at: self.at(75))
        #expect(self.schedule.place != nil)
        #expect(self.pause(at: self.at(75)) <= 20)
        self.schedule.failed(.denied, at: self.at(96))
        #expect(self.schedule.place == nil)
        #expect((720.0...1_080).contains(self.pause(at: self.at(96))))
    }

    @Test("The end of the relay's connection ends the place; one that had stood is asked for at once, one that had not later and later")
    mutating func loss() {
        self.schedule.granted(for: .hours(1), on: self.connection, at: self.start)
        let isOther = self.schedule.ended(ConnectionID(), at: self.at(1))
        let isOurs = self.schedule.ended(self.connection, at: self.at(100))
        #expect(!isOther && isOurs)
        #expect(self.schedule.place == nil)
        #expect(self.pause(at: self.at(100)) == 0.25)
        var pauses: [Double] = []
        for _ in 0..<4 {
            let next = ConnectionID()
            self.schedule.granted(for: .hours(1), on: next, at: self.at(200))
            let isOurs = self.schedule.ended(next, at: self.at(201))
            #expect(isOurs)
            pauses.append(self.pause(at: self.at(201)))
        }
        #expect(pauses.allSatisfy { $0 >= 0.8 })
    }
}
