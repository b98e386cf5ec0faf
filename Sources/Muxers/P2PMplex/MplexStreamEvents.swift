/// What happened to a stream, in the order in which it is to be told.
package struct MplexStreamEvents: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The peer opened it.
    package static let opened = MplexStreamEvents(rawValue: 1)
    /// The peer will send nothing more.
    package static let finished = MplexStreamEvents(rawValue: 2)
    /// The peer, or a breach of the rules, ended it at once.
    package static let reset = MplexStreamEvents(rawValue: 4)
    /// The session has forgotten it.
    package static let closed = MplexStreamEvents(rawValue: 8)
}
