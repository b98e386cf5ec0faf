/// What a frame is for (yamux spec, "Type Field").
package enum YamuxFrameType: UInt8, Sendable {
    /// Bytes of one stream; the length counts them and they follow the header.
    case data = 0
    /// Credit for one stream; the length is the credit, nothing follows.
    case windowUpdate = 1
    /// A question (SYN) or an answer (ACK); the length is an opaque value.
    case ping = 2
    /// The sender accepts no new streams; the length is a code.
    case goAway = 3
}
