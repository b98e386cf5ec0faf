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
        var roles: [Multiaddr: (role: ConnectionRole, count: Int)] = [:]
    }

    private let state = Mutex(State())

    /// Nobody is expected.
    public init() {}

    /// What arrives from exactly there has that role, until as many ``forget(_:)`` have followed.
    public func expect(_ remote: Multiaddr, as role: ConnectionRole) {
        self.state.withLock { state in
            guard state.roles.count < Self.limit || state.roles[remote] != nil else { return }
            state.roles[remote] = (role, (state.roles[remote]?.count ?? 0) + 1)
        }
    }

    /// Takes an ``expect(_:as:)`` back.
    public func forget(_ remote: Multiaddr) {
        self.state.withLock { state in
            guard let (role, count) = state.roles[remote] else { return }
            state.roles[remote] = count > 1 ? (role, count - 1) : nil
        }
    }

    /// The role of this side on what arrives from there.
    package func role(on remote: Multiaddr) -> ConnectionRole {
        self.state.withLock { $0.roles[remote]?.role ?? .listener }
    }
}
