/// The flags of a frame (yamux spec, "Flag Field").
struct YamuxFlags: OptionSet, Sendable {
    let rawValue: UInt16

    init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Opens a stream, or asks a ping.
    static let syn = YamuxFlags(rawValue: 0x1)
    /// Acknowledges a stream, or answers a ping.
    static let ack = YamuxFlags(rawValue: 0x2)
    /// Ends one direction of a stream.
    static let fin = YamuxFlags(rawValue: 0x4)
    /// Ends a stream at once, both ways.
    static let rst = YamuxFlags(rawValue: 0x8)

    /// Every bit that the spec gives a meaning.
    static let known: YamuxFlags = [.syn, .ack, .fin, .rst]
}
