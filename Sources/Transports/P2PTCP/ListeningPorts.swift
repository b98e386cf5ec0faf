import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// The sockets of a transport that listen, for dials to go out from their ports: a NAT then has one way for both, and what peers see of this node is
/// where it can be reached.
final class ListeningPorts: Sendable {
    /// Hosts of which every third is a stranger, so that there is one among few; those beyond are chosen by a hash, and not remembered.
    static let hostLimit = 1_024

    private struct State {
        var addresses: [SocketAddress] = []
        /// Hosts, and whether they are dialled from a port that listens.
        var hosts: [IPAddress: Bool] = [:]
        var strangers = 0
    }

    private let state = Mutex(State())
    /// Of this run: hashes alone may be the same in every process.
    private let seed: UInt64

    init(seed: UInt64 = .random(in: 0 ... .max)) {
        self.seed = seed
    }

    func add(_ address: SocketAddress) {
        self.state.withLock { $0.addresses.append(address) }
    }

    func remove(_ address: SocketAddress) {
        self.state.withLock { state in
            if let index = state.addresses.firstIndex(of: address) { state.addresses.remove(at: index) }
        }
    }

    /// What to dial from; nil to leave it to the system, as for addresses to which no NAT leads, and for one host in three: many NATs let in whom a
    /// port has spoken to, and nobody else, so that only those to which it has not can tell whether it is reached.
    func local(for remote: SocketAddress) -> SocketAddress? {
        guard let ip = remote.ip?.unmapped, ip.reach == .internet else { return nil }
        return self.state.withLock { state in
            let local = state.addresses.first { local in
                guard local.protocol == remote.protocol, local.scope == 0, let own = local.ip else { return false }
                return own.isUnspecified || !own.isLoopback && !own.isLinkLocal
            }
            guard let local, self.mayHear(ip, of: &state) else { return nil }
            return local
        }
    }

    private func mayHear(_ ip: IPAddress, of state: inout State) -> Bool {
        if let isFriend = state.hosts[ip] { return isFriend }
        guard state.hosts.count < Self.hostLimit else { return !self.isStranger(ip) }
        let isFriend = state.hosts.count - state.strangers < 2 * (state.strangers + 1)
        state.hosts[ip] = isFriend
        if !isFriend { state.strangers += 1 }
        return isFriend
    }

    /// The same for a host as long as the process runs.
    private func isStranger(_ ip: IPAddress) -> Bool {
        var hasher = Hasher()
        hasher.combine(self.seed)
        hasher.combine(ip)
        return UInt(bitPattern: hasher.finalize()) % 3 == 0
    }
}
