public import P2PMultiaddr
import Synchronization

/// Arrivals on which this side has another role than a listener's, whoever's packets came first.
///
/// Where both sides dial at once, to open the ways through their NATs, one's first packet may meet the other's listener. The roles were agreed on
/// before that, so they hold for what arrives there, too.
public final class ArrivalRoles: Sendable {
    /// Addresses that are expected at a time; those beyond get the ordinary role.
    public static let limit = 256

    private struct State {
        var expected: [Multiaddr: Expectation] = [:]
    }

    private struct Expectation {
        let role: ConnectionRole
        let patience: Duration?
        var count: Int
    }

    private let state = Mutex(State())

    /// Nobody is expected.
    public init() {}

    /// What arrives from exactly there has that role, until as many ``forget(_:)`` have followed.
    ///
    /// - Parameter patience: how long to look, on what arrives from there and on what is dialled there, whether the other side believes to have the
    ///   same role: some have them the other way round. Whoever waits where it should begin, or begins where it should wait, gets the other
    ///   role. Nil keeps to the role.
    public func expect(_ remote: Multiaddr, as role: ConnectionRole, patience: Duration? = nil) {
        self.state.withLock { state in
            guard state.expected.count < Self.limit || state.expected[remote] != nil else { return }
            let count = (state.expected[remote]?.count ?? 0) + 1
            state.expected[remote] = Expectation(role: role, patience: patience, count: count)
        }
    }

    /// Takes an ``expect(_:as:patience:)`` back.
    public func forget(_ remote: Multiaddr) {
        self.state.withLock { state in
            guard let count = state.expected[remote]?.count else { return }
            if count > 1 { state.expected[remote]?.count = count - 1 } else { state.expected[remote] = nil }
        }
    }

    /// The role of this side on what arrives from there.
    package func role(on remote: Multiaddr) -> ConnectionRole {
        self.state.withLock { $0.expected[remote]?.role ?? .listener }
    }

    /// How long to look whether the other side has the same role; nil to keep to this side's.
    package func patience(on remote: Multiaddr) -> Duration? {
        self.state.withLock { $0.expected[remote]?.patience }
    }
}
