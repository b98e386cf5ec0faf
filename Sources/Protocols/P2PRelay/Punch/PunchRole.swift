import P2PCore

/// Which side of a punch this node is.
///
/// Over TCP both connect, so the roles in the handshakes are agreed on: whoever dialled through the relay is the client. go before 0.41 has them the
/// other way round, which shows when the two connect and both begin, or nobody does: a clash.
enum PunchRole: Sendable, Hashable {
    /// It dialled through the relay, and is told when to begin: A of the specification's figure.
    case answering
    /// It was dialled through the relay, and says when to begin: B.
    case asking

    /// From this attempt on the other way round is tried even where no clash was seen, as go-libp2p does when it asks.
    private static let lastResort = 3

    /// Round trips in which the other side has to show which role it takes. Both look: were they equally patient, two that believe to have the same
    /// role would change it at the same moment, and have the same again.
    var patience: Int64 {
        switch self {
        case .asking: 1
        case .answering: 2
        }
    }

    /// The role in the handshakes of TCP in an attempt, counted from one.
    ///
    /// - Parameter clashes: how often the two have connected and then had the same role.
    func handshake(inAttempt number: Int, clashes: Int) -> ConnectionRole {
        let isReversed = clashes == 0 ? number >= Self.lastResort : clashes % 2 == 1
        return switch self {
        case .answering: isReversed ? .listener : .dialer
        case .asking: isReversed ? .dialer : .listener
        }
    }
}
