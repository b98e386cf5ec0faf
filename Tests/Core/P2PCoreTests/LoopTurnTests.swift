import NIOCore
import Testing

@testable import P2PCore

@Suite("A turn of an event loop")
struct LoopTurnTests {
    @Test(
        "It is over after so many bytes, or so much time",
        arguments: [
            (0, TimeAmount.zero, false),
            (LoopTurn.maximumBytes - 1, LoopTurn.maximumTime - .nanoseconds(1), false),
            (LoopTurn.maximumBytes, .zero, true),
            (LoopTurn.maximumBytes * 2, .zero, true),
            (0, LoopTurn.maximumTime, true),
            (0, .seconds(1), true),
        ])
    func bounds(bytes: Int, time: TimeAmount, isOver: Bool) {
        var turn = LoopTurn()
        turn.spend(bytes: bytes / 2)
        turn.spend(bytes: bytes - bytes / 2)
        turn.look(at: .uptimeNanoseconds(7))
        turn.look(at: .uptimeNanoseconds(7) + time)
        #expect(turn.isOver == isOver)
    }

    @Test("Events after tasks, and tasks after events, begin a turn; more of the same do not")
    func phases() {
        var turn = LoopTurn()
        turn.enter(.tasks)
        turn.spend(bytes: LoopTurn.maximumBytes)
        turn.enter(.tasks)
        #expect(turn.isOver)
        turn.enter(.events)
        #expect(!turn.isOver)
        turn.look(at: .uptimeNanoseconds(7))
        turn.look(at: .uptimeNanoseconds(7) + LoopTurn.maximumTime)
        turn.enter(.events)
        #expect(turn.isOver)
        turn.enter(.tasks)
        #expect(!turn.isOver)
    }

    @Test("The clock is read before the first piece of a turn, and then after some, and time between turns does not count")
    func looks() {
        var turn = LoopTurn()
        let looks = (0..<17).filter { _ in turn.count() }
        #expect(looks == [0, 8, 16])
        turn.look(at: .uptimeNanoseconds(0))
        turn.enter(.tasks)
        let isFirst = turn.count()
        #expect(isFirst)
        turn.look(at: .uptimeNanoseconds(0) + .seconds(1))
        #expect(!turn.isOver)
    }

    @Test("A poll that was waited for begins one, whatever the loop does")
    func polled() {
        var turn = LoopTurn()
        turn.enter(.tasks)
        turn.spend(bytes: LoopTurn.maximumBytes)
        turn.begin(.tasks)
        #expect(!turn.isOver)
        turn.enter(.tasks)
        #expect(!turn.isOver)
    }
}
