package import P2PCore

extension StreamTable {
    /// Takes over what streams have signalled. What one says that has been forgotten concerns nobody.
    @inlinable package mutating func collect(_ news: inout MuxerNews, from connection: MuxerConnection) where Stream == MuxedStream {
        connection.takeNews(&news)
        for stream in news.fresh { self.insert(stream, at: stream.slot) }
        for stream in news.work where self.stream(at: stream.slot) === stream { self.makeReady(stream.slot) }
        news.clear()
    }

    /// Bytes that the ready streams want to write, each with `overhead` bytes of frames; counted no further than `maximum`.
    @inlinable package func readyBytes(overhead: Int, upTo maximum: Int) -> Int where Stream == MuxedStream {
        var bytes = 0
        self.forEachReady { stream in
            bytes += stream.waitingBytes + overhead
            return bytes < maximum
        }
        return min(bytes, maximum)
    }
}
