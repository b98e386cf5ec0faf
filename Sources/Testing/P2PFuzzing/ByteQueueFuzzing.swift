import NIOCore
import P2PCore

/// A queue of bytes against an array of them.
enum ByteQueueFuzzing {
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var queue = ByteQueue()
        var model: [UInt8] = []
        var next: UInt8 = 0
        while !input.isEmpty, model.count < 1 << 14 {
            switch input.byte() % 6 {
            case 0, 1:
                let piece = Self.fresh(min(input.size(), 5_000), &next)
                model += piece
                queue.append(Self.buffer(piece, isSliceOfMore: input.byte() & 1 == 1))
            case 2:
                let limit = input.size()
                let taken = queue.take(upTo: limit).map { Array($0.readableBytesView) }
                precondition((taken == nil) == (model.isEmpty || limit == 0), "\(String(describing: taken?.count)) of \(model.count) bytes")
                precondition((taken?.count ?? 0) <= limit && (taken ?? []).elementsEqual(model.prefix(taken?.count ?? 0)))
                model.removeFirst(taken?.count ?? 0)
            case 3:
                var target = ByteBuffer()
                let limit = input.size()
                let count = queue.copy(upTo: limit, to: &target)
                precondition(count == min(limit, model.count) && target.readableBytes == count)
                precondition(target.readableBytesView.elementsEqual(model.prefix(count)), "copied bytes are not those at the front")
                model.removeFirst(count)
            case 4:
                let piece = Self.fresh(min(input.size(), 1 << 12), &next)
                model = piece + model
                queue.prepend(Self.buffer(piece, isSliceOfMore: input.byte() & 1 == 1))
            default:
                guard input.byte() & 7 == 0 else { continue }
                precondition(queue.removeAll() == model.count)
                model = []
            }
            precondition(queue.count == model.count && queue.isEmpty == model.isEmpty, "\(queue.count) bytes instead of \(model.count)")
        }
        var rest = ByteBuffer()
        precondition(
            queue.copy(upTo: .max, to: &rest) == model.count && rest.readableBytesView.elementsEqual(model), "the rest is not what is left")
    }

    private static func fresh(_ count: Int, _ next: inout UInt8) -> [UInt8] {
        (0..<count).map { _ in
            next = next &* 5 &+ 113
            return next
        }
    }

    /// Bytes as a muxer would deliver them: in a buffer of their own, or as a slice of a larger one.
    private static func buffer(_ bytes: [UInt8], isSliceOfMore: Bool) -> ByteBuffer {
        guard isSliceOfMore else { return ByteBuffer(bytes: bytes) }
        var record = ByteBuffer(repeating: 0xee, count: 10_000)
        record.writeBytes(bytes)
        return record.getSlice(at: 10_000, length: bytes.count) ?? ByteBuffer()
    }
}
