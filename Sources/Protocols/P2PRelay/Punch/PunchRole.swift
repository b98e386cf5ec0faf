import P2PCore

/// Which side of a punch this node is.
///
/// Over TCP both connect, so the roles in the handshakes are agreed on: whoever dialled through the relay is the client. go before 0.41 has them the
/// other way round, so both sides try that in the end.
enum PunchRole: Sendable, Hashable {
    /// It dialled through the relay, and is told when to begin: A of the specification's figure.
    case answering
    /// It was dialled through the relay, and says when to begin: B.
    case asking

    /// The role in the handshakes of TCP in an attempt, counted from one.
    func handshake(inAttempt number: Int) -> ConnectionRole {
        switch self {
        case .answering: number < 2 ? .dialer : .listener
        case .asking: number < 3 ? .listener : .dialer
        }
    }
}
