/// What happened to a stream, in the order in which it is to be told.
struct YamuxStreamEvents: OptionSet, Sendable {
    let rawValue: UInt8

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The peer opened it.
    static let opened = YamuxStreamEvents(rawValue: 1)
    /// The peer acknowledged it: another one of ours may open.
    static let acknowledged = YamuxStreamEvents(rawValue: 2)
    /// There is more credit to send with.
    static let credited = YamuxStreamEvents(rawValue: 4)
    /// The peer will send nothing more.
    static let finished = YamuxStreamEvents(rawValue: 8)
    /// The peer, or a breach of the rules, ended it at once.
    static let reset = YamuxStreamEvents(rawValue: 16)
    /// The session has forgotten it.
    static let closed = YamuxStreamEvents(rawValue: 32)
}
