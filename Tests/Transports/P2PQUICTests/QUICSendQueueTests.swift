import NIOCore
import Testing

@testable import P2PQUIC

@Suite("Bytes of a QUIC stream on their way")
struct QUICSendQueueTests {
    private static func unsent(_ queue: borrowing QUICSendQueue, limit: Int = 100) -> [UInt8] {
        var bytes: [UInt8] = []
        queue.forEachUnsent(limit: limit) { bytes += Array($0) }
        return bytes
    }

    @Test("What was sent is kept until it is acknowledged, whole pieces at a time")
    func keeps() {
        var queue = QUICSendQueue()
        queue.append(ByteBuffer(bytes: [0, 1, 2]))
        queue.append(ByteBuffer(bytes: [3, 4, 5, 6]))
        #expect(queue.unsent == 7)
        #expect(Self.unsent(queue) == [0, 1, 2, 3, 4, 5, 6])
        #expect(Self.unsent(queue, limit: 1) == [0, 1, 2])
        queue.advance(by: 4)
        #expect(Self.unsent(queue) == [4, 5, 6])
        #expect(queue.retained == 7)
        queue.acknowledge(upTo: 2)
        #expect(queue.retained == 7)
        queue.acknowledge(upTo: 4)
        #expect(queue.retained == 4)
        #expect(Self.unsent(queue) == [4, 5, 6])
        queue.advance(by: 3)
        queue.acknowledge(upTo: 7)
        #expect(queue.retained == 0)
        #expect(queue.unsent == 0)
        queue.append(ByteBuffer(bytes: [7]))
        #expect(Self.unsent(queue) == [7])
    }

    @Test("Nothing is acknowledged before it was sent, and nothing is sent twice")
    func bounds() {
        var queue = QUICSendQueue()
        queue.append(ByteBuffer(bytes: [1, 2, 3]))
        queue.acknowledge(upTo: 3)
        #expect(queue.retained == 3)
        queue.advance(by: 100)
        #expect(queue.sent == 3)
        #expect(queue.unsent == 0)
    }

    @Test("Dropping what was not sent keeps what was")
    func drops() {
        var queue = QUICSendQueue()
        queue.append(ByteBuffer(bytes: [1, 2, 3]))
        queue.append(ByteBuffer(bytes: [4, 5]))
        queue.advance(by: 2)
        #expect(queue.dropUnsent() == 3)
        #expect(queue.unsent == 0)
        #expect(queue.retained == 2)
        #expect(queue.dropUnsent() == 0)
    }

    @Test("Any sequence of appends, sends, acknowledgements and droppings keeps the bytes in order")
    func sequences() {
        var generator = SystemRandomNumberGenerator()
        queues: for _ in 0..<200 {
            var queue = QUICSendQueue()
            var next: UInt8 = 0
            var expected: [UInt8] = []
            for _ in 0..<50 {
                switch Int.random(in: 0..<13, using: &generator) {
                case 0..<4:
                    let bytes = (0..<Int.random(in: 0..<6, using: &generator)).map { _ in
                        defer { next &+= 1 }
                        return next
                    }
                    expected += bytes
                    queue.append(ByteBuffer(bytes: bytes))
                case 4..<8:
                    let count = Int.random(in: 0..<8, using: &generator)
                    queue.advance(by: count)
                    expected.removeFirst(min(count, expected.count))
                case 12:
                    // Nothing is written to a stream whose bytes were dropped, so this is the last that is done to it.
                    #expect(queue.dropUnsent() == expected.count)
                    #expect(Self.unsent(queue).isEmpty && queue.unsent == 0)
                    queue.acknowledge(upTo: queue.sent)
                    continue queues
                default: queue.acknowledge(upTo: UInt64.random(in: 0...queue.sent, using: &generator))
                }
                #expect(Self.unsent(queue) == expected)
                #expect(queue.unsent == expected.count)
            }
        }
    }
}

@Suite("Credit of QUIC streams")
struct QUICCreditThresholdTests {
    @Test("However many streams there are, they keep no more than a quarter of the connection's window")
    func bounds() {
        let configuration = QUICConfiguration()
        var threshold = QUICCreditThreshold(configuration)
        #expect(threshold.value == Int(configuration.initialStreamWindow / 4))
        for count in Array(1...600) + Array((0...600).reversed()) {
            _ = threshold.update(streams: count)
            #expect(threshold.value >= 1)
            #expect(count * threshold.value <= Int(configuration.initialWindow / 4) || threshold.value == 1)
        }
        #expect(threshold.value == Int(configuration.initialStreamWindow / 4))
    }
}
