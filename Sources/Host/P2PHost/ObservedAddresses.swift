import P2PMultiaddr

/// Where peers say that they see this node, as a value.
///
/// One peer may lie or sit in the same network; an address counts once enough peers at different addresses name it.
struct ObservedAddresses {
    /// Addresses that are counted at a time; the one with the fewest observers makes room.
    static let limit = 64
    /// Observers that are remembered for one address.
    static let observerLimit = 32

    private let observersNeeded: Int
    private var observers: [Multiaddr: Set<Multiaddr>] = [:]

    init(observersNeeded: Int) {
        self.observersNeeded = max(1, observersNeeded)
    }

    var count: Int { self.observers.count }

    /// Those that enough peers have named, in a fixed order.
    var confirmed: [Multiaddr] {
        self.observers.filter { $0.value.count >= self.observersNeeded }.map(\.key).sorted { $0.description < $1.description }
    }

    /// A peer at `observer` sees this node at `address`; true when that confirms the address.
    mutating func observe(_ address: Multiaddr, by observer: Multiaddr) -> Bool {
        guard let ip = address.ipAddress, !ip.isLoopback, !ip.isUnspecified, !ip.isLinkLocal, let from = Self.host(of: observer) else {
            return false
        }
        if self.observers[address] == nil, self.observers.count >= Self.limit {
            guard let weakest = self.observers.min(by: { $0.value.count < $1.value.count }), weakest.value.count < self.observersNeeded
            else { return false }
            self.observers[weakest.key] = nil
        }
        guard self.observers[address, default: []].count < Self.observerLimit else { return false }
        let isNew = self.observers[address, default: []].insert(from).inserted
        return isNew && self.observers[address]?.count == self.observersNeeded
    }

    /// Only the IP address: many ports of one host are one observer.
    private static func host(of observer: Multiaddr) -> Multiaddr? {
        guard let ip = observer.ipAddress else { return nil }
        return try? Multiaddr([.ip(ip)])
    }
}
