extension MplexSession {
    /// What a frame's header means.
    package enum OnFrame: Equatable, Sendable {
        case none
        /// Something happened to a stream.
        case stream(MplexStreamID, MplexStreamEvents)
        /// The connection is over.
        case fail(MplexViolation)
    }

    /// What to do with bytes of the current frame.
    package enum OnBody: Equatable, Sendable {
        /// They are the stream's.
        case deliver(MplexStreamID)
        /// They are for nobody.
        case skip
    }

    /// What follows from how much waits for readers.
    package enum OnUnread: Equatable, Sendable {
        case none
        /// Too much waits in all: look at every stream, and ask ``MplexSession/recounted(at:)``.
        case recount
        /// So much waits on this stream that it has been reset.
        case overflow(MplexStreamID)
        /// The connection is over.
        case fail(MplexViolation)
    }

    /// Whether one more stream may open.
    package enum OnOpen: Equatable, Sendable {
        case opened(MplexStreamID)
        /// Too many live: ask again when one has ended.
        case wait
        /// Every number was used.
        case exhausted
    }
}
