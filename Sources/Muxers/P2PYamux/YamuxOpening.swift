/// How far two sides are with agreeing that a stream is there (yamux spec, "Flag Field").
///
///     ours:     unannounced ──our SYN──▸ unanswered ──any frame of the peer's──▸ settled
///     theirs:   unacknowledged ──our next frame, with ACK──▸ settled
enum YamuxOpening {
    /// Ours; our next frame carries SYN. The peer has not heard of it.
    case unannounced
    /// Ours; the peer has not reacted yet.
    case unanswered
    /// The peer's; our next frame carries ACK.
    case unacknowledged
    /// Both sides know of it.
    case settled

    /// Our next frame goes out: what it carries.
    mutating func greet() -> YamuxFlags {
        switch self {
        case .unannounced:
            self = .unanswered
            return .syn
        case .unacknowledged:
            self = .settled
            return .ack
        case .unanswered, .settled:
            return []
        }
    }
}
