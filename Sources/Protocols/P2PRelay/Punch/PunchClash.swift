import P2PCore

/// Both sides have connected, and then had the same role in the handshakes: two clients talk past each other, two servers wait.
enum PunchClash {
    /// Whether it looks as if: there was a connection of TCP, and its handshakes came to nothing.
    static func isLikely(_ error: TransportError) -> Bool {
        switch error.code {
        case .negotiationFailed, .securityFailed, .protectionFailed, .closed: true
        // What did not answer at all has no role.
        case .timedOut: error.message.contains("handshake")
        default: false
        }
    }

    static func isLikely(_ error: DialError) -> Bool { error.attempts.contains { self.isLikely($0.error) } }
}
