import NIOCore
import NIOEmbedded
import NIOPosix
import Synchronization
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

    /// Notes each call, and puts itself in the line again for as long as it is told to.
    private final class Chain: LoopWork {
        private let executor: EventLoopTaskExecutor
        private let left: Mutex<Int>
        private let bytes: Int
        let calls = Counter()

        init(_ executor: EventLoopTaskExecutor, length: Int, bytes: Int = 0) {
            self.executor = executor
            self.left = Mutex(length)
            self.bytes = bytes
        }

        func runOnLoop() {
            self.calls.increment()
            self.executor.spend(bytes: self.bytes)
            let isMore = self.left.withLock { left in
                left -= 1
                return left > 0
            }
            if isMore { self.executor.enqueue(self) }
        }

        func stop() { self.left.withLock { $0 = 0 } }
    }

    @Test("What puts itself in the line again has a turn of so many bytes, and the next one when the loop has polled")
    func bytesOfATurn() {
        let loop = EmbeddedEventLoop()
        let executor = EventLoopTaskExecutor(loop)
        let chain = Chain(executor, length: 10, bytes: LoopTurn.maximumBytes / 4)
        executor.enqueue(chain)
        loop.run()
        #expect(chain.calls.value == 4)
        loop.run()
        #expect(chain.calls.value == 4)
        loop.advanceTime(by: EventLoopTaskExecutor.pauses.lowerBound)
        #expect(chain.calls.value == 8)
        loop.advanceTime(by: EventLoopTaskExecutor.pauses.lowerBound)
        #expect(chain.calls.value == 10)
    }

    @Test("Events of a socket have a turn of their own; what is left over then waits for the loop's tasks")
    func turnOfEvents() {
        let loop = EmbeddedEventLoop()
        let executor = EventLoopTaskExecutor(loop)
        let chain = Chain(executor, length: 6, bytes: LoopTurn.maximumBytes / 2)
        executor.enqueue(chain)
        executor.runPending()
        #expect(chain.calls.value == 2 && executor.isTurnOver)
        executor.runPending()
        #expect(chain.calls.value == 2)
        loop.run()
        #expect(chain.calls.value == 4)
        executor.runPending()
        #expect(chain.calls.value == 6)
    }

    @Test("Sockets are looked at while work on their loop goes on and on")
    func socketsHaveTheirTurn() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let executor = EventLoopTaskExecutor(loop)
        let (heard, hears) = AsyncStream.makeStream(of: ByteBuffer.self)
        let listener = try await DatagramBootstrap(group: loop)
            .channelInitializer { $0.pipeline.addHandler(Ear(hears)) }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(listener.localAddress)
        let mouth = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()

        let chain = Chain(executor, length: .max)
        executor.enqueue(chain)
        var words = heard.makeAsyncIterator()
        for word in ["one", "two", "three"] {
            try await mouth.writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(string: word))).get()
            #expect(await words.next() == ByteBuffer(string: word))
        }
        chain.stop()
        try await mouth.close()
        try await listener.close()
        try await group.shutdownGracefully()
    }

    private final class Ear: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        private let hears: AsyncStream<ByteBuffer>.Continuation

        init(_ hears: AsyncStream<ByteBuffer>.Continuation) { self.hears = hears }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.hears.yield(self.unwrapInboundIn(data).data) }
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
