import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// The sockets of a transport that listen, for dials to go out from their ports: a NAT then has one way for both, and what peers see of this node is
/// where it can be reached.
final class ListeningPorts: Sendable {
    private let addresses = Mutex<[SocketAddress]>([])

    func add(_ address: SocketAddress) {
        self.addresses.withLock { $0.append(address) }
    }

    func remove(_ address: SocketAddress) {
        self.addresses.withLock { addresses in
            if let index = addresses.firstIndex(of: address) { addresses.remove(at: index) }
        }
    }

    /// What to dial from; nil to leave it to the system, as for addresses to which no NAT leads.
    func local(for remote: SocketAddress) -> SocketAddress? {
        guard let ip = remote.ip, ip.unmapped.reach == .internet else { return nil }
        return self.addresses.withLock { addresses in
            addresses.first { local in
                guard local.protocol == remote.protocol, local.scope == 0, let own = local.ip else { return false }
                return own.isUnspecified || !own.isLoopback && !own.isLinkLocal
            }
        }
    }
}
