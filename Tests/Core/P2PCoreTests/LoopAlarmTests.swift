import NIOCore
import NIOEmbedded
import P2PCore
import Synchronization
import Testing

@Suite("The alarm of a machine on an event loop")
struct LoopAlarmTests {
    /// What rings, and when it was set for.
    private final class Bell: Sendable {
        let rung = Mutex<[NIODeadline]>([])

        func ring(_ deadline: NIODeadline) { self.rung.withLock { $0.append(deadline) } }
    }

    private let loop = EmbeddedEventLoop()
    private let start = NIODeadline.uptimeNanoseconds(0)

    @Test("The earliest of several deadlines rings, once")
    func earliest() throws {
        let bell = Bell()
        var alarm = LoopAlarm()
        for seconds in [5, 3, 9, 4] { alarm.set(for: self.start + .seconds(Int64(seconds)), on: self.loop, ring: bell.ring) }
        alarm.set(for: nil, on: self.loop, ring: bell.ring)
        self.loop.advanceTime(to: self.start + .seconds(2))
        #expect(bell.rung.withLock { $0 } == [])
        self.loop.advanceTime(to: self.start + .seconds(20))
        #expect(bell.rung.withLock { $0 } == [self.start + .seconds(3)])
    }

    @Test("It can be set again once it was told that it rang, and not before for later")
    func again() throws {
        let bell = Bell()
        var alarm = LoopAlarm()
        alarm.set(for: self.start + .seconds(1), on: self.loop, ring: bell.ring)
        self.loop.advanceTime(to: self.start + .seconds(1))
        alarm.rang(at: self.start + .seconds(7))
        alarm.set(for: self.start + .seconds(2), on: self.loop, ring: bell.ring)
        self.loop.advanceTime(to: self.start + .seconds(2))
        #expect(bell.rung.withLock { $0.count } == 1)
        alarm.rang(at: self.start + .seconds(1))
        alarm.set(for: self.start + .seconds(3), on: self.loop, ring: bell.ring)
        self.loop.advanceTime(to: self.start + .seconds(3))
        #expect(bell.rung.withLock { $0 } == [self.start + .seconds(1), self.start + .seconds(3)])
    }

    @Test("It does not ring when it was cancelled, and can be set again")
    func cancelled() throws {
        let bell = Bell()
        var alarm = LoopAlarm()
        alarm.set(for: self.start + .seconds(1), on: self.loop, ring: bell.ring)
        alarm.cancel()
        self.loop.advanceTime(to: self.start + .seconds(5))
        #expect(bell.rung.withLock { $0 } == [])
        alarm.set(for: self.start + .seconds(8), on: self.loop, ring: bell.ring)
        self.loop.advanceTime(to: self.start + .seconds(8))
        #expect(bell.rung.withLock { $0.count } == 1)
    }
}
