import Synchronization

/// ``ProtocolTraffic`` of every protocol that a host serves or opens streams for. What it is asked about is this side's choice, never a peer's; even
/// so it is bounded.
package final class ProtocolTrafficTable: Sendable {
    /// Protocols that are told apart; those beyond share ``rest``.
    package static let limit = 256
    /// What the protocols beyond ``limit`` are called together.
    package static let rest = "other"

    private let known = Mutex<[ProtocolID: ProtocolTraffic]>([:])
    private let others = ProtocolTraffic()

    package init() {}

    package func traffic(of protocolID: ProtocolID) -> ProtocolTraffic {
        self.known.withLock { known in
            if let traffic = known[protocolID] { return traffic }
            guard known.count < Self.limit else { return self.others }
            let traffic = ProtocolTraffic()
            known[protocolID] = traffic
            return traffic
        }
    }

    /// What it comes to now, by name.
    package var counts: [ProtocolCount] {
        let known = self.known.withLock { $0 }
        var counts = known.map { $1.count(of: $0.name) }.sorted { $0.name < $1.name }
        if known.count >= Self.limit { counts.append(self.others.count(of: Self.rest)) }
        return counts
    }
}
