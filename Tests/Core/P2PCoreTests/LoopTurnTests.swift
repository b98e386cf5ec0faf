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
        turn.spend(time)
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
        turn.spend(LoopTurn.maximumTime)
        turn.enter(.events)
        #expect(turn.isOver)
        turn.enter(.tasks)
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
