import NIOCore
import Testing

@testable import P2PCore

@Suite("Sleeping together", .timeLimit(.minutes(1)))
struct SleepQueueTests {
    let queue = SleepQueue()

    @Test(
        "A sleeper wakes at its time, not before, whoever sleeps longer or shorter",
        arguments: [[30, 10, 20], [10, 20, 30], [30, 20, 10]])
    func wakes(milliseconds: [Int64]) async {
        let order = Journal<String>()
        await withDiscardingTaskGroup { group in
            for wait in milliseconds {
                let deadline = NIODeadline.now() + .milliseconds(wait * 5)
                group.addTask {
                    await self.queue.sleep(until: deadline)
                    #expect(NIODeadline.now() >= deadline)
                    order.note("\(wait)")
                }
            }
        }
        #expect(order.entries == ["10", "20", "30"])
        #expect(self.queue.count == 0)
    }

    @Test("Whoever is cancelled wakes at once, before or after lying down, and is forgotten")
    func cancelled() async {
        let hour = NIODeadline.now() + .hours(1)
        let sleepers = (0..<1_000).map { _ in Task { await self.queue.sleep(until: hour) } }
        for sleeper in sleepers { sleeper.cancel() }
        for sleeper in sleepers { await sleeper.value }
        #expect(self.queue.count == 0)
        let late = Task { await self.queue.sleep(until: hour) }
        await until { self.queue.count == 1 }
        // Others are not kept waiting by one who sleeps long.
        await self.queue.sleep(until: .now() + .milliseconds(5))
        late.cancel()
        await late.value
        #expect(self.queue.count == 0)
    }

    @Test("However many short sleeps pass beside a long one, nobody looks twice at its end")
    func manyShort() async {
        let late = Task { await self.queue.sleep(until: .now() + .hours(1)) }
        await until { self.queue.count == 1 }
        for _ in 0..<50 { await self.queue.sleep(until: .now() + .milliseconds(1)) }
        #expect(self.queue.lookCount <= 2)
        late.cancel()
        await late.value
    }

    @Test("What has passed is not waited for, and the distant future can be")
    func extremes() async {
        await self.queue.sleep(until: .now() - .seconds(1))
        await self.queue.sleep(until: .uptimeNanoseconds(0))
        let endless = Task { await self.queue.sleep(until: .distantFuture) }
        await until { self.queue.count == 1 }
        endless.cancel()
        await endless.value
    }
}
