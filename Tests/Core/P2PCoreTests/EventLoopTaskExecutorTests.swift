import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@testable import P2PCore

@Suite("EventLoopTaskExecutor")
struct EventLoopTaskExecutorTests {
    @Test("Tasks run on the event loop, and come back to it after each wait")
    func onTheLoop() async {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let executor = EventLoopTaskExecutor(loop)
        await Task(executorPreference: executor) {
            #expect(loop.inEventLoop)
            await Task.yield()
            #expect(loop.inEventLoop)
        }.value
    }

    @Test("Jobs run in the order in which they were queued, with one wake-up for many")
    func order() async throws {
        let loop = EmbeddedEventLoop()
        let executor = EventLoopTaskExecutor(loop)
        let seen = Journal<Int>()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<10 {
                group.addTask(executorPreference: executor) { seen.note(number) }
            }
            #expect(seen.entries.isEmpty)
            executor.runPending()
        }
        #expect(seen.entries == Array(0..<10))
    }

    @Test("Pending jobs don't run inside one another")
    func notReentrant() async throws {
        let loop = EmbeddedEventLoop()
        let executor = EventLoopTaskExecutor(loop)
        let seen = Journal<String>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: executor) {
                executor.runPending()
                seen.note("first")
            }
            group.addTask(executorPreference: executor) { seen.note("second") }
            executor.runPending()
        }
        #expect(seen.entries == ["first", "second"])
    }

    @Test("A thousand tasks from many threads all run")
    func fromManyThreads() async {
        let executor = EventLoopTaskExecutor(MultiThreadedEventLoopGroup.singleton.next())
        let count = Counter()
        await withDiscardingTaskGroup { group in
            for _ in 0..<4 {
                group.addTask {
                    await withDiscardingTaskGroup { inner in
                        for _ in 0..<250 {
                            inner.addTask(executorPreference: executor) {
                                await Task.yield()
                                count.increment()
                            }
                        }
                    }
                }
            }
        }
        #expect(count.value == 1_000)
    }

    @Test("One loop has one executor")
    func shared() {
        let executors = EventLoopTaskExecutors()
        let loop = EmbeddedEventLoop()
        #expect(executors.executor(for: loop) === executors.executor(for: loop))
        #expect(executors.executor(for: loop) !== executors.executor(for: EmbeddedEventLoop()))
    }
}
