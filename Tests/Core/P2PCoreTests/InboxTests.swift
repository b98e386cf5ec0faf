import NIOCore
import Testing

@testable import P2PCore

@Suite("Inbox and the backlog of inbound streams")
struct InboxTests {
    @Test("Elements come in order, up to the limit")
    func bounds() async throws {
        let inbox = Inbox<Int, Never>(limit: 2)
        #expect(inbox.offer(1))
        #expect(inbox.offer(2))
        #expect(!inbox.offer(3))
        #expect(await inbox.next() == 1)
        #expect(inbox.offer(4))
        #expect(await inbox.next() == 2)
        #expect(inbox.poll() == 4)
        #expect(inbox.poll() == nil)
    }

    @Test("What waits is handed out before the end")
    func ending() async throws {
        let inbox = Inbox<Int, StreamError>(limit: 2)
        #expect(inbox.offer(1))
        inbox.finish(.failure(StreamError(.connectionLost, "gone")))
        inbox.finish(.success(()))
        #expect(!inbox.offer(2))
        #expect(try await inbox.next() == 1)
        await #expect(throws: StreamError(.connectionLost, "")) { try await inbox.next() }
    }

    @Test("A waiting consumer is woken by an element, by the end and by cancellation")
    func waking() async {
        let inbox = Inbox<Int, Never>(limit: 2)
        let first = Task { await inbox.next() }
        await Task.yield()
        #expect(inbox.offer(1))
        #expect(await first.value == 1)
        let second = Task { await inbox.next() }
        await Task.yield()
        second.cancel()
        #expect(await second.value == nil)
        let third = Task { await inbox.next() }
        await Task.yield()
        inbox.finish(.success(()))
        #expect(await third.value == nil)
    }

    @Test("Two consumers, although one was meant, divide the elements and do not spin", .timeLimit(.minutes(1)))
    func twoConsumers() async {
        let inbox = Inbox<Int, Never>(limit: 1_000)
        let sum = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    var sum = 0
                    while let element = await inbox.next() { sum += element }
                    return sum
                }
            }
            for element in 1...500 {
                #expect(inbox.offer(element))
                await Task.yield()
            }
            inbox.finish(.success(()))
            return await group.reduce(0, +)
        }
        #expect(sum == 125_250)
    }

    @Test("A stream beyond the backlog is refused, and reset by being let go")
    func fullBacklog() {
        let muxer = FakeMuxer()
        let backlog = InboundBacklog(limit: 1)
        let (first, _) = muxer.stream()
        #expect(backlog.offer(first))
        let refused: MuxedStream
        do {
            let (second, muxed) = muxer.stream()
            refused = muxed
            #expect(!backlog.offer(second))
        }
        #expect(refused.flight() == Flight(reset: .cancelled))
    }

    @Test("After our own close the streams that nobody took are let go, and the sequence ends")
    func closed() async throws {
        let muxer = FakeMuxer()
        let backlog = InboundBacklog()
        let waiting: MuxedStream
        do {
            let (stream, muxed) = muxer.stream()
            waiting = muxed
            #expect(backlog.offer(stream))
        }
        backlog.finish(.success(()))
        #expect(waiting.flight() == Flight(reset: .cancelled))
        for try await _ in InboundStreams(backlog) { Issue.record("there should be no stream") }
    }

    @Test("A connection that was lost ends the sequence with the reason")
    func lost() async throws {
        let backlog = InboundBacklog()
        backlog.finish(.failure(ConnectionError(.lost, "gone")))
        var streams = InboundStreams(backlog).makeAsyncIterator()
        await #expect(throws: ConnectionError(.lost, "")) { try await streams.next() }
    }

    @Test("A cancelled wait for streams leaves the backlog as it was")
    func cancelled() async throws {
        let backlog = InboundBacklog()
        let waiting = Task { try await backlog.next() }
        await Task.yield()
        waiting.cancel()
        await #expect(throws: ConnectionError(.cancelled, "")) { try await waiting.value }
        let (stream, _) = FakeMuxer().stream()
        #expect(backlog.offer(stream))
        #expect(try await backlog.next() === stream)
    }
}
