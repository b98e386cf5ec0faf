import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// Which registrations have been printed already, for a rendezvous point that tells from the start again.
struct SeenRegistrations {
    /// Registrations that are remembered; those beyond are printed each time.
    static let limit = 4_096

    private struct Place: Hashable {
        let namespace: String
        let peer: PeerID
    }

    private var addresses: [Place: Set<Multiaddr>] = [:]

    /// Remembers one.
    ///
    /// - Returns: whether it says anything that was not said before.
    mutating func insert(_ peer: DiscoveredPeer, under namespace: String) -> Bool {
        let place = Place(namespace: namespace, peer: peer.peer)
        let told = Set(peer.addresses)
        let known = self.addresses[place]
        guard !told.isSubset(of: known ?? []) else { return false }
        if known != nil || self.addresses.count < Self.limit { self.addresses[place] = told }
        return true
    }
}
