import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Which discovered peers have been printed already; one is reported again and again while it stays.
final class SeenPeers: Sendable {
    /// Peers that are remembered; those beyond are printed each time.
    static let limit = 4_096

    private let addresses = Mutex<[PeerID: Set<Multiaddr>]>([:])

    func isNews(_ found: DiscoveredPeer) -> Bool {
        let told = Set(found.addresses)
        return self.addresses.withLock { addresses in
            let known = addresses[found.peer]
            guard !told.isSubset(of: known ?? []) else { return false }
            if known != nil || addresses.count < Self.limit { addresses[found.peer] = told }
            return true
        }
    }
}
