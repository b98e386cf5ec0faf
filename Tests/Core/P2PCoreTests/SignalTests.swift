import NIOEmbedded
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

    @Test("Waiters go on in the order in which they came")
    func order() async {
        let (loop, signal, seen) = (EmbeddedEventLoop(), Signal(), Journal<Int>())
        let executor = EventLoopTaskExecutor(loop)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask(executorPreference: executor) {
                    await signal.wait()
                    seen.note(number)
                }
            }
            loop.run()
            signal.fire()
            loop.run()
        }
        #expect(seen.entries == Array(0..<50))
    }

    @Test("A cancelled waiter goes on alone")
    func cancelled() async {
        let signal = Signal()
        let begun = Signal()
        let other = Task {
            begun.fire()
            await signal.wait()
            return signal.isFired
        }
        let task = Task { await signal.wait() }
        await begun.wait()
        // Time for both to lie down, and then for the other to go on, were it woken as well.
        await self.others()
        task.cancel()
        await task.value
        await self.others()
        #expect(!signal.isFired)
        signal.fire()
        #expect(await other.value, "the other waiter went on before the signal fired")
    }

    @Test("A task that is cancelled before it waits does not wait")
    func cancelledBefore() async {
        let signal = Signal()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            await signal.wait()
        }
        task.cancel()
        await task.value
        #expect(!signal.isFired)
    }

    /// Lets the other tasks run.
    private func others() async {
        for _ in 0..<1_000 { await Task.yield() }
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
        let (other, isUndisturbed) = (Signal(), Signal())
        await other.cancelling {
            await self.others()
            if !Task.isCancelled { isUndisturbed.fire() }
        }
        #expect(isUndisturbed.isFired)
        #expect(!other.isFired)
    }
}
