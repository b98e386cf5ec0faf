import NIOCore
import P2PPipeline

extension MuxerRecord {
    /// What one stream may need beside its bytes: a data header, a half-close of its own, a window update.
    static var yamuxOverhead: Int { 3 * YamuxHeader.size }

    /// Appends a frame without a body, if there is one.
    mutating func append(_ header: YamuxHeader?) {
        if let header { self.bytes.writeYamuxHeader(header) }
    }

    /// Leaves room for the header of a frame whose length is not known yet, and says where that is.
    mutating func begin() -> Int {
        let index = self.end
        self.bytes.moveWriterIndex(forwardBy: YamuxHeader.size)
        return index
    }

    /// Completes the frame that ``begin()`` began, or drops it.
    mutating func complete(_ header: YamuxHeader?, at index: Int) {
        if let header { self.bytes.setYamuxHeader(header, at: index) } else { self.rewind(to: index) }
    }
}
