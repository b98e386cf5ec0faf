import Dispatch
import NIOCore
package import P2PCore
import Synchronization

/// Two ends of one stream in memory, with a receive window each way.
package struct StreamPair {
    /// Bytes that may be under way or unread, each way.
    package static let window = 256 * 1_024

    package let dialer: PeerStream
    package let listener: PeerStream
    private let wire: Wire

    /// Bytes that both ends hold, and what they count besides.
    package var heldBytes: Int { self.wire.held.load(ordering: .sequentiallyConsistent) }

    package init() {
        let wire = Wire()
        self.wire = wire
        let dialer = MuxedStream(slot: 0, owner: wire, creditThreshold: Self.window / 2)
        let listener = MuxedStream(slot: 1, owner: wire, creditThreshold: Self.window / 2)
        wire.ends.withLock { $0 = [Wire.End(stream: dialer), Wire.End(stream: listener)] }
        self.dialer = PeerStream(dialer)
        self.listener = PeerStream(listener)
    }
}

/// What a muxer is to a pair: carries what one end has to the other, on a queue of its own.
private final class Wire: MuxedStreamOwner {
    struct End {
        let stream: MuxedStream
        /// What this end may still send.
        var window = StreamPair.window
    }

    private static let recordSize = 64 * 1_024

    let ends = Mutex<[End]>([])
    let held = Atomic<Int>(0)
    private let queue = DispatchQueue(label: "stream pair")

    func streamHolds(_ change: Int) { self.held.add(change, ordering: .sequentiallyConsistent) }

    func streamHasWork(_ stream: MuxedStream) {
        self.queue.async { self.carry(from: stream.slot) }
    }

    private func carry(from slot: Int) {
        let other = 1 - slot
        let (near, far) = self.ends.withLock { ($0[slot], $0[other]) }
        var record = ByteBuffer()
        let drained = near.stream.copy(upTo: min(Self.recordSize, near.window), to: &record)
        if let code = drained.reset {
            far.stream.fail(StreamError(.reset, "the peer reset the stream", resetCode: code))
            return
        }
        if drained.credit > 0 { self.grant(drained.credit, to: other) }
        if drained.copied > 0 {
            self.ends.withLock { $0[slot].window -= drained.copied }
            let discarded = far.stream.receive(record)
            if discarded > 0 { self.grant(discarded, to: slot) }
        }
        if drained.finish {
            far.stream.receiveFinish()
            near.stream.finishLeft()
        }
        if drained.copied > 0, drained.remaining > 0 { self.queue.async { self.carry(from: slot) } }
    }

    private func grant(_ credit: Int, to slot: Int) {
        self.ends.withLock { $0[slot].window += credit }
        self.queue.async { self.carry(from: slot) }
    }
}
