import NIOCore
import P2PTesting
import Testing

@testable import P2PCore

@Suite("StreamBuffer, any sequence of operations")
struct StreamBufferSequenceTests {
    /// What a stream is, as simply as it can be said.
    private struct Model {
        var inbound: [UInt8] = []
        var outbound: [UInt8] = []
        var held: [UInt8] = []
        var peerFinished = false
        var stoppedReading = false
        var finish = Finish.open
        var failure: StreamError.Code?
        var resetHere = false
        var resetToSend: StreamErrorCode?
        var received = 0
        var credited = 0
        var consumed = 0

        enum Finish { case open, asked, taken, left }
    }

    @Test("Bytes, ends, credit and failures agree with a simple model", arguments: 1...40 as ClosedRange<UInt64>)
    func agrees(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let threshold = Int.random(in: 1...2_000, using: &random)
        var buffer = StreamBuffer(creditThreshold: threshold)
        var model = Model()
        var lastRead: [UInt8] = []
        for step in 0..<400 {
            var wake = StreamBuffer.Wake()
            let isLate = step > 300
            switch Int.random(in: 0..<(isLate ? 14 : 10), using: &random) {
            case 0, 1:
                let bytes = random.bytes(upTo: 1_500)
                let discarded = buffer.receive(ByteBuffer(bytes: bytes), wake: &wake)
                if model.failure != nil || model.stoppedReading || model.peerFinished {
                    #expect(discarded == bytes.count)
                } else {
                    #expect(discarded == 0)
                    model.inbound += bytes
                    model.received += bytes.count
                }
            case 2, 3:
                lastRead = Self.read(&buffer, &model, limit: Int.random(in: 1...2_000, using: &random), wake: &wake)
            case 4:
                guard !lastRead.isEmpty, !model.stoppedReading, !model.resetHere else { continue }
                buffer.unread(ByteBuffer(bytes: lastRead))
                model.inbound = lastRead + model.inbound
                model.consumed -= lastRead.count
                lastRead = []
            case 5, 6:
                let bytes = random.bytes(upTo: Int.random(in: 0..<10, using: &random) == 0 ? 150_000 : 1_000)
                Self.write(&buffer, &model, bytes, wake: &wake)
            case 7, 8:
                Self.drain(&buffer, &model, limit: Int.random(in: 0...60_000, using: &random), threshold: threshold, wake: &wake)
            case 9:
                let bytes = random.bytes(upTo: 30)
                buffer.hold(ByteBuffer(bytes: bytes))
                guard model.failure == nil, model.finish == .open else { continue }
                if model.outbound.isEmpty { model.held += bytes } else { model.outbound += bytes }
            case 10:
                Self.finish(&buffer, &model, wake: &wake)
            case 11:
                buffer.finishLeft(wake: &wake)
                if model.finish == .taken { model.finish = .left }
            case 12:
                buffer.receiveFinish(wake: &wake)
                if model.failure == nil { model.peerFinished = true }
            default:
                Self.end(&buffer, &model, random: &random, wake: &wake)
            }
            #expect(buffer.writableBytes == max(0, StreamBuffer.highWaterMark - model.outbound.count))
            #expect(buffer.failure?.code == model.failure)
            #expect(buffer.hasFinishLeft == (model.finish == .left))
            #expect(model.credited <= model.received, "no credit without bytes")
        }
    }

    private static func read(_ buffer: inout StreamBuffer, _ model: inout Model, limit: Int, wake: inout StreamBuffer.Wake) -> [UInt8] {
        switch buffer.read(upTo: limit, wake: &wake) {
        case .bytes(let bytes):
            let read = Array(bytes.readableBytesView)
            #expect(!read.isEmpty && read.count <= limit && model.inbound.starts(with: read))
            model.inbound.removeFirst(min(read.count, model.inbound.count))
            model.consumed += read.count
            return read
        case .end:
            #expect(model.inbound.isEmpty && model.peerFinished && !model.resetHere)
        case .failed(let error):
            #expect(model.inbound.isEmpty && error.code == (model.stoppedReading ? .stoppedReading : model.failure))
        case .wait:
            #expect(model.inbound.isEmpty && !model.peerFinished && model.failure == nil)
            model.outbound += model.held
            model.held = []
        }
        return []
    }

    private static func write(_ buffer: inout StreamBuffer, _ model: inout Model, _ bytes: [UInt8], wake: inout StreamBuffer.Wake) {
        let mayWrite = model.failure == nil && model.finish == .open
        if mayWrite, !bytes.isEmpty {
            model.outbound += model.held + bytes
            model.held = []
        }
        switch buffer.write(ByteBuffer(bytes: bytes), wake: &wake) {
        case .buffered: #expect(mayWrite && (bytes.isEmpty || model.outbound.count <= StreamBuffer.highWaterMark))
        case .wait: #expect(mayWrite && model.outbound.count > StreamBuffer.highWaterMark)
        case .failed(let error): #expect(!mayWrite && error.code == model.failure ?? .finished)
        }
    }

    private static func finish(_ buffer: inout StreamBuffer, _ model: inout Model, wake: inout StreamBuffer.Wake) {
        switch buffer.finish(wake: &wake) {
        case .buffered: #expect(model.finish == .left)
        case .failed(let error): #expect(error.code == model.failure)
        case .wait:
            #expect(model.failure == nil && model.finish != .left)
            guard model.finish == .open else { return }
            model.outbound += model.held
            model.held = []
            model.finish = .asked
        }
    }

    private static func drain(
        _ buffer: inout StreamBuffer, _ model: inout Model, limit: Int, threshold: Int, wake: inout StreamBuffer.Wake
    ) {
        var record = ByteBuffer()
        let drained = buffer.drain(upTo: limit, to: &record, wake: &wake)
        let reset = drained.reset
        #expect(reset == model.resetToSend)
        model.resetToSend = nil
        guard model.failure == nil else {
            #expect(drained.copied == 0 && !drained.finish && drained.credit == 0)
            return
        }
        let bytes = Array(record.readableBytesView)
        #expect(bytes.count == min(limit, model.outbound.count) && model.outbound.starts(with: bytes))
        model.outbound.removeFirst(bytes.count)
        #expect(drained.remaining == model.outbound.count)
        let finishes = model.outbound.isEmpty && model.finish == .asked
        #expect(drained.finish == finishes)
        if finishes { model.finish = .taken }
        let isDue = !model.peerFinished && model.consumed > 0 && (model.consumed >= threshold || model.stoppedReading)
        #expect(drained.credit == (isDue ? model.consumed : 0))
        if isDue {
            model.credited += model.consumed
            model.consumed = 0
        }
    }

    private static func end(
        _ buffer: inout StreamBuffer, _ model: inout Model, random: inout SeededGenerator, wake: inout StreamBuffer.Wake
    ) {
        switch Int.random(in: 0..<12, using: &random) {
        case 0:
            buffer.reset(.rateLimited, wake: &wake)
            model.inbound = []
            model.resetHere = true
            guard model.failure == nil else { return }
            if !(model.finish == .left && model.peerFinished) { model.resetToSend = .rateLimited }
            model.failure = .reset
            model.outbound = []
            model.held = []
        case 1:
            buffer.fail(StreamError(.connectionLost, "gone"), wake: &wake)
            guard model.failure == nil else { return }
            model.failure = .connectionLost
            model.outbound = []
            model.held = []
        case 2, 3:
            buffer.stopReading(wake: &wake)
            guard model.failure == nil, !model.stoppedReading else { return }
            model.stoppedReading = true
            if !model.peerFinished { model.consumed += model.inbound.count }
            model.inbound = []
        default: break
        }
    }
}
