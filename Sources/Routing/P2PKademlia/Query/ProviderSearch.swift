package import P2PIdentity

/// The providers that peers have named for a key, how many have named each, and who of them is there.
///
/// A value. One that only one peer has named counts for nothing, and one that nobody was met at neither, so that a full list of inventions does not end a search: several liars can name the
/// same ones, but not make somebody answer there (`Specs/Kademlia.md`, "Providers").
package struct ProviderSearch: Sendable {
    /// Providers that it keeps.
    package static let limit = 1_000
    /// Peers that have to name a provider until it counts.
    package static let witnesses = 2

    private var named: [PeerID: Set<PeerID>] = [:]
    private var contacts: [PeerID: KademliaContact] = [:]
    private var order: [PeerID] = []
    /// Those that were dialled, and whether they were met.
    private var verdicts: [PeerID: Bool] = [:]
    /// Providers that two have named, those that were dialled in vain not among them.
    package private(set) var count = 0
    /// Of these, those that were met.
    package private(set) var met = 0
    /// How many were dialled.
    package var dialled: Int { self.verdicts.count }

    package init() {}

    /// All of them, in the order in which they were named; those that were dialled in vain at the end.
    package var all: [KademliaContact] {
        let there = self.order.filter { self.verdicts[$0] != false }
        let gone = self.order.filter { self.verdicts[$0] == false }
        return (there + gone).compactMap { self.contacts[$0] }
    }

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

    /// Whom to dial before the search may end: those that two have named, the first first.
    package func unproved(upTo count: Int) -> [KademliaContact] {
        self.order.lazy.filter { self.isWitnessed($0) && self.verdicts[$0] == nil }.prefix(max(0, count)).compactMap { self.contacts[$0] }
    }

    /// A provider was dialled.
    package mutating func note(_ provider: PeerID, isThere: Bool) {
        guard self.isWitnessed(provider), self.verdicts[provider] == nil else { return }
        self.verdicts[provider] = isThere
        if isThere { self.met += 1 } else { self.count -= 1 }
    }

    private func isWitnessed(_ provider: PeerID) -> Bool { self.named[provider, default: []].count >= Self.witnesses }

    /// A provider speaks for itself no better than others do for it.
    private mutating func witness(_ provider: PeerID, by peer: PeerID) {
        guard !self.isWitnessed(provider) else { return }
        self.named[provider, default: []].insert(peer)
        if self.isWitnessed(provider) { self.count += 1 }
    }
}
