package import P2PIdentity

/// The providers that peers have named for a key, and how many have named each.
///
/// A value. One that only one peer has named counts for nothing, so that a full list of inventions does not end a search.
package struct ProviderSearch: Sendable {
    /// Providers that it keeps.
    package static let limit = 1_000
    /// Peers that have to name a provider until it counts.
    package static let witnesses = 2

    private var named: [PeerID: Set<PeerID>] = [:]
    private var contacts: [PeerID: KademliaContact] = [:]
    private var order: [PeerID] = []
    /// Providers that count.
    package private(set) var count = 0

    package init() {}

    /// All of them, in the order in which they were named.
    package var all: [KademliaContact] { self.order.compactMap { self.contacts[$0] } }

    /// Whether somebody has named it.
    package func contains(_ peer: PeerID) -> Bool { self.contacts[peer] != nil }

    /// A peer names a provider.
    ///
    /// - Returns: what is to be told of it: it is new, or the first addresses of it are.
    package mutating func add(_ provider: KademliaContact, namedBy peer: PeerID) -> KademliaContact? {
        guard var known = self.contacts[provider.peer] else {
            guard self.order.count < Self.limit else { return nil }
            self.contacts[provider.peer] = provider
            self.order.append(provider.peer)
            self.witness(provider.peer, by: peer)
            return provider
        }
        self.witness(provider.peer, by: peer)
        let isFirst = known.addresses.isEmpty && !provider.addresses.isEmpty
        for address in provider.addresses where known.addresses.count < KademliaLimits.addressesPerPeer {
            if !known.addresses.contains(address) { known.addresses.append(address) }
        }
        self.contacts[provider.peer] = known
        return isFirst ? known : nil
    }

    /// A provider speaks for itself as well as two others.
    private mutating func witness(_ provider: PeerID, by peer: PeerID) {
        let before = self.named[provider, default: []].count
        guard before < Self.witnesses else { return }
        self.named[provider, default: []].insert(peer)
        if self.named[provider, default: []].count == Self.witnesses { self.count += 1 }
    }
}
