import NIOCore
import P2PTesting
import Testing

@testable import P2PCore

@Suite("ByteQueue")
struct ByteQueueTests {
    @Test("Bytes come out in the order in which they went in, in the buffers in which they came")
    func order() {
        var queue = ByteQueue()
        let large = ByteBuffer(repeating: 1, count: ByteQueue.joinBelow)
        queue.append(large)
        queue.append(ByteBuffer(repeating: 2, count: ByteQueue.joinBelow))
        #expect(queue.count == 2 * ByteQueue.joinBelow)
        #expect(queue.take(upTo: .max) == large)
        #expect(queue.take(upTo: 10) == ByteBuffer(repeating: 2, count: 10))
        #expect(queue.take(upTo: .max) == ByteBuffer(repeating: 2, count: ByteQueue.joinBelow - 10))
        #expect(queue.take(upTo: .max) == nil)
        #expect(queue.count == 0)
    }

    @Test("Small pieces are joined, so that single bytes cost bytes and not buffers")
    func joining() {
        var queue = ByteQueue()
        for byte in 0..<200 { queue.append(ByteBuffer(bytes: [UInt8(byte)])) }
        // The first buffer stays what it was.
        #expect(queue.take(upTo: .max)?.readableBytes == 1)
        #expect(queue.take(upTo: .max)?.readableBytes == 199)
        #expect(queue.take(upTo: .max) == nil)
    }

    @Test("A small slice of a large buffer does not keep it alive")
    func compacting() {
        var queue = ByteQueue()
        var record = ByteBuffer(repeating: 7, count: 65_536)
        guard let slice = record.readSlice(length: 100) else { return }
        queue.append(slice)
        #expect((queue.take(upTo: .max)?.storageCapacity ?? .max) <= 400)
    }

    @Test("Where memory is scarce, what waits takes hardly more than it holds", arguments: [1, 600, 1_025, 20_000, 33_000, 65_536])
    func saving(size: Int) {
        var record = ByteBufferAllocator().buffer(capacity: 65_536)
        record.writeBytes((0..<65_536).map { UInt8(truncatingIfNeeded: $0 / 7) })
        let slice = record.readSlice(length: size) ?? record
        var queue = ByteQueue()
        queue.appendSaving(slice)
        #expect(queue.count == size)
        var (kept, bytes) = (0, ByteBuffer())
        while let piece = queue.take(upTo: .max) {
            kept += piece.storageCapacity
            bytes.writeImmutableBuffer(piece)
        }
        #expect(bytes == slice && kept <= size + size / 8 + 1_024)
    }

    @Test("What is to be sent asks whether memory is scarce where it takes much more than it holds, and nothing of it is lost")
    func savingOutbound() {
        var half = OutboundHalf()
        var (asked, sent) = (0, ByteBuffer())
        func isScarce() -> Bool {
            asked += 1
            return true
        }
        for size in [65_536, 60_000, 33_000, 100] {
            var record = ByteBufferAllocator().buffer(capacity: 65_536)
            record.writeBytes((0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) })
            sent.writeImmutableBuffer(record)
            half.append(record, isSaving: isScarce())
        }
        #expect(asked == 2 && half.count == sent.readableBytes)
        var drained = ByteBuffer()
        #expect(half.drain(upTo: .max, to: &drained).copied == sent.readableBytes)
        #expect(drained == sent)
    }

    @Test("A reader who waits has it copied as well: it may be long until its task runs")
    func savingForAReader() {
        var stream = StreamBuffer(creditThreshold: 1 << 20)
        var wake = StreamBuffer.Wake()
        _ = stream.read(upTo: .max, claiming: true, wake: &wake)
        var record = ByteBuffer(repeating: 7, count: 65_536)
        let discarded = stream.receive(record.readSlice(length: 32_768) ?? record, isSaving: true, wake: &wake)
        _ = stream.endReading()
        guard case .bytes(let piece) = stream.read(upTo: .max, wake: &wake) else {
            Issue.record("there is nothing to read")
            return
        }
        #expect(discarded == 0 && piece.storageCapacity <= ByteQueue.savedPiece)
    }

    @Test("What is put back comes out first")
    func prepending() {
        var queue = ByteQueue()
        queue.append(ByteBuffer(string: "world"))
        queue.prepend(ByteBuffer(string: "hello "))
        queue.append(ByteBuffer(string: "!"))
        var all = ByteBuffer()
        #expect(queue.copy(upTo: .max, to: &all) == 12)
        #expect(String(buffer: all) == "hello world!")
    }

    @Test("Copying takes no more than the limit, over any number of buffers")
    func copying() {
        var queue = ByteQueue()
        for byte in 0..<4 { queue.append(ByteBuffer(repeating: UInt8(byte), count: 5_000)) }
        var target = ByteBuffer()
        #expect(queue.copy(upTo: 12_000, to: &target) == 12_000)
        #expect(queue.count == 8_000)
        #expect(queue.copy(upTo: .max, to: &target) == 8_000)
        #expect(target == ByteBuffer(bytes: (0..<4).flatMap { [UInt8](repeating: $0, count: 5_000) }))
        #expect(queue.copy(upTo: .max, to: &target) == 0)
    }

    @Test("Removing everything says how much it was")
    func removing() {
        var queue = ByteQueue()
        queue.append(ByteBuffer(repeating: 0, count: 5_000))
        queue.append(ByteBuffer(repeating: 0, count: 6_000))
        #expect(queue.removeAll() == 11_000)
        #expect(queue.count == 0)
        #expect(queue.removeAll() == 0)
    }

    @Test("An empty buffer, and a limit of nothing, leave the queue as it was")
    func nothing() {
        var queue = ByteQueue()
        queue.append(ByteBuffer())
        queue.prepend(ByteBuffer())
        #expect(queue.count == 0)
        queue.append(ByteBuffer(string: "a"))
        #expect(queue.take(upTo: 0) == nil)
        #expect(queue.count == 1)
    }

    @Test("Any sequence of operations agrees with an array", arguments: 1...20 as ClosedRange<UInt64>)
    func sequences(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = ByteQueue()
        var model: [UInt8] = []
        for _ in 0..<500 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                let bytes = random.bytes(upTo: Bool.random(using: &random) ? 20 : 9_000)
                queue.append(ByteBuffer(bytes: bytes))
                model.append(contentsOf: bytes)
            case 2:
                let bytes = random.bytes(upTo: 50)
                queue.prepend(ByteBuffer(bytes: bytes))
                model.insert(contentsOf: bytes, at: 0)
            case 3:
                let limit = Int.random(in: 0...6_000, using: &random)
                let taken = queue.take(upTo: limit).map { Array($0.readableBytesView) } ?? []
                #expect(taken.count <= limit)
                #expect(taken.isEmpty == (limit == 0 || model.isEmpty))
                #expect(model.starts(with: taken))
                model.removeFirst(taken.count)
            case 4:
                let limit = Int.random(in: 0...20_000, using: &random)
                var target = ByteBuffer()
                #expect(queue.copy(upTo: limit, to: &target) == min(limit, model.count))
                #expect(model.starts(with: target.readableBytesView))
                model.removeFirst(target.readableBytes)
            default:
                guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
                #expect(queue.removeAll() == model.count)
                model = []
            }
            #expect(queue.count == model.count)
        }
    }
}
