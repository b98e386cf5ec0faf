#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore

    /// What a session knows of one stream. Confined to the event loop.
    final class QUICStreamState {
        /// Bytes that a stream takes out of its buffer at a time: what one burst holds.
        static let chunk = 64 * 1_024
        /// A stream takes the next chunk when no more than this waits: two packets.
        static let low = 4 * 1_024
        /// Pieces that one packet takes its bytes from.
        static let pieces = 4
        /// A peer that has stopped reading is spared so many bytes more; then the writer is told.
        static let swallowed = 16 * 1_024 * 1_024

        let muxed: MuxedStream
        // While it changes it calls nobody who would touch it (Specs/Architecture.md, "The data path").
        @exclusivity(unchecked) var queue = QUICSendQueue()
        /// It was handed to whoever accepts streams, or is one of ours.
        var isShown: Bool
        /// The half-close is due behind what waits.
        var isFinishing = false
        /// The half-close is in a packet.
        var isFinished = false
        /// The peer has no credit left for it.
        var isBlocked = false
        /// The peer wants no more of it.
        var isUnwanted = false
        /// This side wants no more of it, and the peer is yet to be told.
        var isStopping = false
        /// The peer was told that this side wants no more of it.
        var hasStopped = false

        /// The peer's half-close came, and everything before it.
        var hasArrived = false

        /// A reset by this side, until it is on the wire.
        var reset: StreamErrorCode?
        /// Bytes that arrived, and bytes for which the peer has its credit back.
        var received: UInt64 = 0
        var credited: UInt64 = 0
        private var discarded = 0
        /// Bytes of ``queue`` that the connection's account knows of.
        private var counted = 0

        init(_ muxed: MuxedStream, isShown: Bool) {
            self.muxed = muxed
            self.isShown = isShown
        }

        var slot: Int { self.muxed.slot }

        /// How many bytes more, or less, wait for the peer since the last time; all are gone when the stream is over.
        func changeOfRetained(isOver: Bool = false) -> Int {
            let retained = isOver ? 0 : self.queue.retained
            defer { self.counted = retained }
            return retained - self.counted
        }

        var hasSomethingToSend: Bool { self.queue.unsent > 0 || self.isFinishing && !self.isFinished }

        /// Takes what waits in the stream's buffer, as much as a burst can hold. Returns the credit that the reader has earned.
        func fill() -> Int {
            // Credit is due also from a stream that has no room to send: both sides may wait for it.
            guard self.queue.unsent < Self.low else { return self.peek() }
            var credit = 0
            while self.queue.unsent < Self.low {
                var chunk = ByteBuffer()
                let size = min(self.muxed.waitingBytes, Self.chunk)
                if size > 0 { chunk = ByteBufferAllocator().buffer(capacity: size) }
                let drained = self.muxed.copy(upTo: size, to: &chunk)
                credit += drained.credit
                self.take(drained.reset, finish: drained.finish, stop: drained.stopReading)
                self.queue.append(chunk)
                // Also when there was nothing a moment ago: a writer may have come in between, and won't call again.
                guard drained.remaining > 0 else { break }
            }
            return credit
        }

        /// Looks for a reset and the like without taking bytes. Returns the credit that the reader has earned.
        func peek() -> Int {
            var nothing = ByteBuffer()
            let drained = self.muxed.copy(upTo: 0, to: &nothing)
            self.take(drained.reset, finish: drained.finish, stop: drained.stopReading)
            return drained.credit
        }

        /// Counts bytes for which the peer gets its credit back.
        func credit(_ count: Int) -> UInt64 {
            let credit = min(UInt64(count), self.received - self.credited)
            self.credited += credit
            return credit
        }

        private func take(_ reset: StreamErrorCode?, finish: Bool, stop: Bool) {
            if let reset { self.reset = reset }
            if finish { self.isFinishing = true }
            if stop { self.isStopping = true }
        }

        /// Throws away what the peer does not want; the writer hears of it when that is much, or nobody listens any more.
        /// Returns the credit that the reader has earned.
        func swallow(isOver: Bool) -> Int {
            var credit = 0
            var dropped = self.queue.dropUnsent()
            while true {
                var chunk = ByteBufferAllocator().buffer(capacity: Self.chunk)
                let drained = self.muxed.copy(upTo: Self.chunk, to: &chunk)
                self.take(drained.reset, finish: drained.finish, stop: drained.stopReading)
                credit += drained.credit
                dropped += drained.copied
                guard drained.copied > 0, drained.remaining > 0 else { break }
            }
            self.discarded += dropped
            let isHeard = dropped > 0 && (isOver || self.discarded > Self.swallowed)
            if isHeard { self.muxed.fail(StreamError(.reset, "the peer has stopped reading")) }
            if self.isFinishing, !self.isFinished {
                self.isFinished = true
                // Not for whoever waits for bytes to have left that never did.
                if self.muxed.failure == nil { self.muxed.finishLeft() }
            }
            return credit
        }

        /// Hands what waits to the library, in the form that it wants, and says whether the half-close follows right behind.
        func withUnsent<Result>(_ body: (_ pieces: UnsafePointer<quic_bytes>?, _ count: Int, _ isLast: Bool) -> Result) -> Result {
            withUnsafeTemporaryAllocation(of: quic_bytes.self, capacity: Self.pieces) { vectors in
                var count = 0
                var total = 0
                self.queue.forEachUnsent(limit: Self.pieces) { bytes in
                    vectors.initializeElement(
                        at: count, to: quic_bytes(base: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), length: bytes.count))
                    count += 1
                    total += bytes.count
                }
                return body(UnsafePointer(vectors.baseAddress), count, self.isFinishing && !self.isFinished && total >= self.queue.unsent)
            }
        }
    }
#endif
