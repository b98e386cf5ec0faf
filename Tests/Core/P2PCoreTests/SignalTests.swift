import P2PCore
import Testing

@Suite("Signal", .timeLimit(.minutes(1)))
struct SignalTests {
    @Test("Every waiter goes on, also one that comes late")
    func fires() async {
        let signal = Signal()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<10 { group.addTask { await signal.wait() } }
            group.addTask { signal.fire() }
        }
        await signal.wait()
        #expect(signal.isFired)
    }

    @Test("A cancelled waiter goes on alone")
    func cancelled() async {
        let signal = Signal()
        let task = Task { await signal.wait() }
        task.cancel()
        await task.value
        #expect(!signal.isFired)
    }

    @Test("It cancels the body that it guards, and does not when the body is done first")
    func cancelling() async {
        let signal = Signal()
        let reached = Signal()
        let isCancelled = Signal()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await signal.cancelling {
                    reached.fire()
                    await Signal().wait()
                    if Task.isCancelled { isCancelled.fire() }
                }
            }
            await reached.wait()
            signal.fire()
        }
        #expect(isCancelled.isFired)
        let other = Signal()
        await other.cancelling {}
        #expect(!other.isFired)
    }
}
