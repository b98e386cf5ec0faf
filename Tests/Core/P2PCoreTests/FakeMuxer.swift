import NIOCore
import P2PCore
import Synchronization
import Testing

/// Stands in for a muxer: counts calls, and drains when it is told to.
final class FakeMuxer: MuxedStreamOwner {
    private let signals = Atomic<Int>(0)

    var signalCount: Int { self.signals.load(ordering: .relaxed) }

    func streamHasWork(_ stream: MuxedStream) {
        self.signals.wrappingAdd(1, ordering: .relaxed)
    }

    /// A stream with its handle, and nothing between them and the test.
    func stream(creditThreshold: Int = 1_000) -> (PeerStream, MuxedStream) {
        let muxed = MuxedStream(owner: self, creditThreshold: creditThreshold)
        return (PeerStream(muxed), muxed)
    }
}

/// What a drain found, copyable for comparisons.
struct Flight: Equatable {
    var bytes: [UInt8] = []
    var remaining = 0
    var finish = false
    var reset: StreamErrorCode?
    var stopReading = false
    var credit = 0
}

extension MuxedStream {
    func flight(upTo limit: Int = .max) -> Flight {
        var record = ByteBuffer()
        let drained = self.copy(upTo: limit, to: &record)
        #expect(drained.copied == record.readableBytes)
        return Flight(
            bytes: Array(record.readableBytesView), remaining: drained.remaining, finish: drained.finish, reset: drained.reset,
            stopReading: drained.stopReading, credit: drained.credit)
    }

    func text(upTo limit: Int = .max) -> String { String(decoding: self.flight(upTo: limit).bytes, as: UTF8.self) }

    @discardableResult
    func receive(_ text: String) -> Int { self.receive(ByteBuffer(string: text)) }
}

/// Lets other tasks run until something has come about.
func until(_ condition: @Sendable () -> Bool) async {
    while !condition() { await Task.yield() }
}
