import NIOCore
import P2PCore
import P2PPipeline

extension MuxerRecord {
    /// A frame without a body.
    static var mplexEmptyFrame: Int { 10 }
    /// What one stream may need beside its bytes: the frame that opens it, with a name of 19 digits, a header and a half-close.
    static var mplexOverhead: Int { Self.mplexEmptyFrame + 19 + MplexHeader.maximumSize + Self.mplexEmptyFrame }

    /// Appends a frame without a body.
    mutating func append(_ header: MplexHeader) {
        self.bytes.writeMplexHeader(header)
    }

    /// Appends the frame that opens a stream.
    mutating func append(opening number: UInt64, name: String) {
        self.bytes.writeMplexHeader(MplexHeader(.newStream, number, length: name.utf8.count))
        self.bytes.writeString(name)
    }

    /// Appends `length` bytes that a stream has, behind their header.
    ///
    /// The length stands in front in as few bytes as it needs, so it is written before the bytes; should the stream have been reset in
    /// the meantime, nothing stays of the frame.
    mutating func append(_ stream: MuxedStream, _ flag: MplexFlag, _ number: UInt64, length: Int) -> StreamBuffer.Drained {
        let start = self.end
        if length > 0 { self.append(MplexHeader(flag, number, length: length)) }
        let drained = stream.copy(upTo: length, to: &self.bytes)
        if drained.copied < length {
            let fewer = self.bytes.getSlice(at: self.end - drained.copied, length: drained.copied)
            self.rewind(to: start)
            if let fewer, drained.copied > 0 {
                self.append(MplexHeader(flag, number, length: drained.copied))
                self.bytes.writeImmutableBuffer(fewer)
            }
        }
        return drained
    }
}
