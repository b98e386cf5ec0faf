import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// Where a swarm's machine is, looked at again when somebody asks and the last look is not fresh.
final class SwarmSurroundings: Sendable {
    /// How long a look at the interfaces holds.
    private static let freshness = TimeAmount.seconds(2)

    private let clock: HostClock
    private let networks: @Sendable () -> LocalNetworks
    private let state = Mutex<(judge: AddressJudge, until: NIODeadline)?>(nil)

    init(clock: HostClock, networks: @escaping @Sendable () -> LocalNetworks) {
        self.clock = clock
        self.networks = networks
    }

    /// - Parameter addresses: where this node listens, which counts as its own also where no interface says so.
    func judge(listening addresses: () -> [Multiaddr]) -> AddressJudge {
        let now = self.clock.now()
        if let fresh = self.state.withLock({ state in state.flatMap { $0.until > now ? $0.judge : nil } }) { return fresh }
        let judge = AddressJudge(self.networks().adding(addresses()))
        self.state.withLock { $0 = (judge, now + Self.freshness) }
        return judge
    }

    /// The addresses on which this node listens are others now.
    func changed() {
        self.state.withLock { $0 = nil }
    }
}
