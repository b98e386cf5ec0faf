/// What happened to a stream, in the order in which it is to be told.
package struct YamuxStreamEvents: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The peer opened it.
    package static let opened = YamuxStreamEvents(rawValue: 1)
    /// The peer acknowledged it: another one of ours may open.
    package static let acknowledged = YamuxStreamEvents(rawValue: 2)
    /// There is more credit to send with.
    package static let credited = YamuxStreamEvents(rawValue: 4)
    /// The peer will send nothing more.
    package static let finished = YamuxStreamEvents(rawValue: 8)
    /// The peer, or a breach of the rules, ended it at once.
    package static let reset = YamuxStreamEvents(rawValue: 16)
    /// The session has forgotten it.
    package static let closed = YamuxStreamEvents(rawValue: 32)
}
