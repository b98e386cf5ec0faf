/// The flags of a frame (yamux spec, "Flag Field").
package struct YamuxFlags: OptionSet, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Opens a stream, or asks a ping.
    package static let syn = YamuxFlags(rawValue: 0x1)
    /// Acknowledges a stream, or answers a ping.
    package static let ack = YamuxFlags(rawValue: 0x2)
    /// Ends one direction of a stream.
    package static let fin = YamuxFlags(rawValue: 0x4)
    /// Ends a stream at once, both ways.
    package static let rst = YamuxFlags(rawValue: 0x8)

    /// Every bit that the spec gives a meaning.
    package static let known: YamuxFlags = [.syn, .ack, .fin, .rst]
}
