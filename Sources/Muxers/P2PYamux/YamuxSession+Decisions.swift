extension YamuxSession {
    /// What a frame's header means.
    package enum OnFrame: Equatable, Sendable {
        case none
        /// Something happened to a stream; `code` is the peer's reason of a reset, 0 when it gave none.
        case stream(UInt32, YamuxStreamEvents, code: UInt32)
        /// The peer takes no new streams.
        case goAway(YamuxGoAwayCode)
        /// The session is over; send GoAway(protocol error).
        case fail(YamuxViolation)
    }

    /// What to do with bytes of the current data frame.
    package enum OnBody: Equatable, Sendable {
        /// They are the stream's; then this happens.
        case deliver(UInt32, then: YamuxStreamEvents)
        /// They are for nobody.
        case skip
    }

    /// Whether one more stream may open.
    package enum OnOpen: Equatable, Sendable {
        case opened(UInt32)
        /// Too many live, or are not acknowledged yet: ask again when one has ended or is acknowledged.
        case wait
        case refused(Refusal)
    }

    /// Why no stream may open any more.
    package enum Refusal: Equatable, Sendable {
        case goingAway
        case idsExhausted
    }

    /// What to write for a stream's outgoing bytes.
    package struct Outgoing: Equatable, Sendable {
        /// Goes in front of the bytes.
        package var header: YamuxHeader
        /// A half-close that needs a frame of its own, behind the bytes.
        package var finish: YamuxHeader?
        /// The session has forgotten the stream.
        package var isClosed: Bool
    }
}
