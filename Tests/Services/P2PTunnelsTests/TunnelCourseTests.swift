import NIOCore
import Testing

@testable import P2PTunnels

@Suite("The course of a tunnelled connection")
struct TunnelCourseTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func course(idle: TimeAmount? = nil, hold: TimeAmount? = nil) -> TunnelCourse {
        var course = TunnelCourse(.init(idle: idle, halfClosedIdle: .seconds(600)), at: Self.start)
        course.finishHold = hold
        return course
    }

    @Test("Each end is passed on, and the second lets both go")
    func bothEnds() {
        var course = self.course()
        #expect(course.socketEnded(at: Self.start) == .finishStream)
        #expect(course.readsStream)
        #expect(course.streamEnded(at: Self.start) == .close)
        #expect(course.socketClosed() == .nothing)
        #expect(course.streamFailed() == .nothing)
        #expect(course.deadline == nil)
    }

    @Test("The other way round, too")
    func otherWayRound() {
        var course = self.course()
        #expect(course.streamEnded(at: Self.start) == .finishSocket)
        #expect(!course.readsStream)
        #expect(course.socketEnded(at: Self.start) == .finishStreamAndClose)
    }

    @Test("A socket that is lost before its end breaks the stream, one that had ended only lets go of it")
    func socketIsGone() {
        var lost = self.course()
        #expect(lost.socketClosed() == .abort)
        var closed = self.course()
        #expect(closed.socketEnded(at: Self.start) == .finishStream)
        #expect(closed.socketClosed() == .abandon)
    }

    @Test("A stream that fails breaks the socket, unless the peer had said all")
    func streamIsGone() {
        var failed = self.course()
        #expect(failed.streamFailed() == .abort)
        var whole = self.course()
        #expect(whole.streamEnded(at: Self.start) == .finishSocket)
        #expect(whole.streamFailed() == .closeWhenTaken)
        #expect(whole.streamFailed() == .closeWhenTaken)
        #expect(whole.taken() == .close)
        #expect(whole.taken() == .nothing && whole.deadline == nil)
        var closed = self.course()
        #expect(closed.streamEnded(at: Self.start) == .finishSocket)
        #expect(closed.streamFailed() == .closeWhenTaken)
        #expect(closed.socketEnded(at: Self.start) == .finishStreamAndClose)
    }

    @Test(
        "What a peer that is gone had said goes on to the program, for as long as that takes it, and ten seconds a piece where somebody waits"
    )
    func peerIsGone() {
        var course = self.course()
        course.peerLeft(isHurried: false, at: Self.start)
        #expect(course.readsStream && course.deadline == Self.start + .seconds(600))
        // Told again and again, which moves nothing.
        course.peerLeft(isHurried: false, at: Self.start + .seconds(300))
        #expect(course.deadline == Self.start + .seconds(600))
        course.peerLeft(isHurried: true, at: Self.start + .seconds(400))
        #expect(course.deadline == Self.start + .seconds(410))
        course.peerLeft(isHurried: true, at: Self.start + .seconds(405))
        course.peerLeft(isHurried: false, at: Self.start + .seconds(405))
        #expect(course.deadline == Self.start + .seconds(410))
        course.moved(at: Self.start + .seconds(409))
        #expect(course.passed(at: Self.start + .seconds(410)) == .nothing)
        // However little it takes at a time.
        for second in stride(from: 418, through: 458, by: 8) { course.moved(at: Self.start + .seconds(Int64(second))) }
        #expect(course.deadline == Self.start + .seconds(460))
        #expect(course.passed(at: Self.start + .seconds(459)) == .nothing)
        #expect(course.passed(at: Self.start + .seconds(460)) == .abort)
        // Nobody is left from whom an end could be kept.
        var held = self.course(hold: .seconds(30))
        held.peerLeft(isHurried: true, at: Self.start)
        #expect(held.socketEnded(at: Self.start) == .nothing)
        #expect(held.deadline == Self.start + .seconds(10))
        #expect(held.passed(at: Self.start + .seconds(10)) == .abort)
        // It has taken everything.
        var taken = self.course()
        taken.peerLeft(isHurried: true, at: Self.start)
        #expect(taken.streamEnded(at: Self.start) == .finishSocket)
        #expect(taken.streamFailed() == .closeWhenTaken)
        #expect(taken.passed(at: Self.start + .seconds(10)) == .abort)
    }

    @Test("Half closed, it ends after ten minutes in which nothing moves, and not before")
    func halfClosedIdle() {
        var course = self.course()
        #expect(course.deadline == nil)
        _ = course.socketEnded(at: Self.start)
        #expect(course.deadline == Self.start + .seconds(600))
        course.moved(at: Self.start + .seconds(500))
        #expect(course.passed(at: Self.start + .seconds(600)) == .nothing)
        #expect(course.passed(at: Self.start + .seconds(1_100)) == .abort)
    }

    @Test("Open, it has no limit but one that was asked for")
    func idle() {
        var course = self.course(idle: .seconds(5))
        #expect(course.deadline == Self.start + .seconds(5))
        #expect(course.passed(at: Self.start + .seconds(5)) == .abort)
    }

    @Test("From a peer that takes one end for both it is kept until the peer ends, or for as long as was said")
    func heldFinish() {
        var answered = self.course(hold: .seconds(30))
        #expect(answered.socketEnded(at: Self.start) == .nothing)
        #expect(answered.streamEnded(at: Self.start + .seconds(1)) == .finishStreamAndClose)
        var silent = self.course(hold: .seconds(30))
        #expect(silent.socketEnded(at: Self.start) == .nothing)
        #expect(silent.deadline == Self.start + .seconds(30))
        #expect(silent.passed(at: Self.start + .seconds(30)) == .finishStream)
        #expect(silent.deadline == Self.start + .seconds(630))
    }

    @Test("Who cancels breaks both ends off, once")
    func cancelled() {
        var course = self.course()
        #expect(course.cancelled() == .abort)
        #expect(course.cancelled() == .nothing)
        #expect(course.socketEnded(at: Self.start) == .nothing)
    }
}
