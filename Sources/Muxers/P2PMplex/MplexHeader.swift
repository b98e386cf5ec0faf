package import NIOCore
import P2PMultiformats

/// What stands in front of every body: a varint of stream number and flag, and a varint of the body's length (mplex spec, "Message format").
package struct MplexHeader: Equatable, Sendable {
    /// The most bytes of a header that this side writes; a body is at most a record.
    static let maximumSize = UnsignedVarint.maxLength + 3

    package var flag: MplexFlag
    package var number: UInt64
    /// Bytes that follow.
    package var length: Int

    package init(_ flag: MplexFlag, _ number: UInt64, length: Int = 0) {
        self.flag = flag
        self.number = number
        self.length = length
    }

    /// The stream as the side knows it that received the frame.
    package var receivedID: MplexStreamID { MplexStreamID(self.number, isOurs: !self.flag.isFromInitiator) }
}

extension ByteBuffer {
    /// Appends a header.
    package mutating func writeMplexHeader(_ header: MplexHeader) {
        self.writeUnsignedVarint(header.number << 3 | UInt64(header.flag.rawValue))
        self.writeUnsignedVarint(UInt64(header.length))
    }
}
