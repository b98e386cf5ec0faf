package import P2PMultiaddr

/// What peers may make a host hold in memory, in bytes. Beyond ``total`` stands ``allowed``, and nothing else.
package struct MemoryLimits: Sendable, Hashable {
    /// For everybody together.
    package var total: Int
    /// For one peer, over all of its connections.
    package var perPeer: Int
    /// Beside ``total``, for peers in networks that are known; what these hold beyond it counts like a stranger's.
    package var allowed: Int
    /// For one network, an IPv4 /24 or an IPv6 /56. An IPv6 /48 may hold twice as much.
    package var perNetwork: Int
    /// Of ``total``, for what the host keeps of peers that it knows, whether or not they are connected.
    package var kept: Int

    package init(total: Int, perPeer: Int, allowed: Int, perNetwork: Int = .max, kept: Int = .max) {
        self.total = total
        self.perPeer = perPeer
        self.perNetwork = perNetwork
        self.allowed = allowed
        self.kept = kept
    }

    /// What a network may hold.
    package func limit(of network: IPNetwork) -> Int {
        let isWide = network.address.isIPv6 && network.prefixLength <= 48
        return isWide && self.perNetwork <= .max / 2 ? 2 * self.perNetwork : self.perNetwork
    }

    /// Nothing is ever refused.
    package static let none = MemoryLimits(total: .max, perPeer: .max, allowed: 0)
}
