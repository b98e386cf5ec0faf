package import P2PCore

/// What a ``StreamTable`` asks of a stream whose bytes are waiting to be written.
public protocol WaitingStream: AnyObject {
    /// Where it stands in the table.
    var slot: Int { get }
    /// Bytes that it wants to write.
    var waitingBytes: Int { get }
}

extension MuxedStream: WaitingStream {}

extension StreamTable where Stream: WaitingStream {
    /// Takes over what streams have signalled. What one says that has been forgotten concerns nobody.
    ///
    /// - Parameters:
    ///   - fresh: streams that are there from now on.
    ///   - work: streams that have something to write.
    @inlinable public mutating func collect(fresh: [Stream], work: [Stream]) {
        for stream in fresh { self.insert(stream, at: stream.slot) }
        for stream in work where self.stream(at: stream.slot) === stream { self.makeReady(stream.slot) }
    }

    /// Bytes that the ready streams want to write, each with `overhead` bytes of frames; counted no further than `maximum`.
    @inlinable public func readyBytes(overhead: Int, upTo maximum: Int) -> Int {
        var bytes = 0
        self.forEachReady { stream in
            bytes += stream.waitingBytes + overhead
            return bytes < maximum
        }
        return min(bytes, maximum)
    }
}
