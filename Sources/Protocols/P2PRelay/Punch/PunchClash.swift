import P2PCore

/// Both sides have connected, and then had the same role in the handshakes: two clients talk past each other, two servers wait.
enum PunchClash {
    /// Whether it looks as if: an address was dialled over TCP, somebody took the connection, and its handshakes came to nothing.
    static func isLikely(_ error: TransportError) -> Bool {
        switch error.code {
        case .negotiationFailed, .securityFailed, .protectionFailed, .closed: true
        // What did not answer at all has no role. A host says what was not over in time, if somebody did.
        case .timedOut: (error.cause as? TransportError)?.code == .securityFailed
        default: false
        }
    }

    static func isLikely(_ error: DialError) -> Bool { error.attempts.contains { self.isLikely($0.error) } }

    /// The same of a connection that has come: all that may be late then is its handshakes.
    static func isLikely(arrival error: TransportError) -> Bool { error.code == .timedOut || self.isLikely(error) }
}
