package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// Who has a place at this relay and which circuits there are, as a value that is told the time.
package struct RelayLedger {
    /// Requests of one peer for its place that are answered within ``askingPeriod``; those beyond cost it refusals.
    package static let asksPerPeriod = 10
    static let askingPeriod = TimeAmount.seconds(10)

    package enum Answer: Hashable {
        case granted
        case refused(RelayStatus)
        /// It asks too often to be answered.
        case tooOften
    }

    private struct Place {
        var connection: ConnectionID
        var until: NIODeadline
        let address: AddressKey?
        let network: IPAddress?
        var asks: OffenceCounter
    }

    private let limits: RelayServiceLimits
    private var places: [PeerID: Place] = [:]
    private var ofAddress: [AddressKey: Int] = [:]
    private var ofNetwork: [IPAddress: Int] = [:]
    private var circuitsOf: [PeerID: Int] = [:]
    /// Circuits that there are.
    package private(set) var circuits = 0

    package init(_ limits: RelayServiceLimits) { self.limits = limits }

    /// Places that are taken.
    package var reservations: Int { self.places.count }
    /// Peers and addresses of which something is remembered.
    package var trackedKeys: Int { self.places.count + self.ofAddress.count + self.ofNetwork.count + self.circuitsOf.count }

    // MARK: Places

    /// Gives the peer a place, or renews the one that it has.
    package mutating func reserve(for peer: PeerID, over connection: ConnectionID, at address: Multiaddr, now: NIODeadline) -> Answer {
        self.expire(at: now)
        if var place = self.places[peer] {
            guard place.asks.tolerates(at: now) else { return .tooOften }
            place.connection = connection
            place.until = now.advanced(by: self.limits.reservationLifetime)
            self.places[peer] = place
            return .granted
        }
        let (key, network) = (AddressKey(address), Self.network(of: address))
        guard self.places.count < self.limits.reservations else { return .refused(.reservationRefused) }
        if let key, self.ofAddress[key, default: 0] >= self.limits.reservationsPerAddress { return .refused(.reservationRefused) }
        if let network, self.ofNetwork[network, default: 0] >= self.limits.reservationsPerNetwork { return .refused(.reservationRefused) }
        var asks = OffenceCounter(maximum: Self.asksPerPeriod, period: Self.askingPeriod, now: now)
        _ = asks.tolerates(at: now)
        self.places[peer] = Place(
            connection: connection, until: now.advanced(by: self.limits.reservationLifetime), address: key, network: network, asks: asks)
        if let key { self.ofAddress[key, default: 0] += 1 }
        if let network { self.ofNetwork[network, default: 0] += 1 }
        return .granted
    }

    /// A connection is over, and with it the places that stood on it.
    package mutating func ended(where isOver: (ConnectionID) -> Bool) {
        for (peer, place) in self.places where isOver(place.connection) { self.remove(peer, place) }
    }

    private mutating func expire(at now: NIODeadline) {
        for (peer, place) in self.places where place.until <= now { self.remove(peer, place) }
    }

    private mutating func remove(_ peer: PeerID, _ place: Place) {
        self.places[peer] = nil
        if let key = place.address { Self.decrement(key, in: &self.ofAddress) }
        if let network = place.network { Self.decrement(network, in: &self.ofNetwork) }
    }

    /// Nil for loopback, names and memory addresses, which are not counted.
    private static func network(of address: Multiaddr) -> IPAddress? {
        guard let ip = address.ipAddress?.unmapped, !ip.isLoopback else { return nil }
        return ip.masked(to: ip.isIPv4 ? 16 : 32)
    }

    // MARK: Circuits

    /// Counts a circuit between two peers.
    ///
    /// - Returns: the connection on which the target has its place, or why there is no circuit.
    package mutating func begin(from source: PeerID, to target: PeerID, now: NIODeadline) -> Result<ConnectionID, RelayRefusal> {
        self.expire(at: now)
        guard source != target else { return .failure(RelayRefusal(.permissionDenied)) }
        guard let place = self.places[target] else { return .failure(RelayRefusal(.noReservation)) }
        guard self.circuits < self.limits.circuits, self.circuitsOf[source, default: 0] < self.limits.circuitsPerPeer,
            self.circuitsOf[target, default: 0] < self.limits.circuitsPerPeer
        else { return .failure(RelayRefusal(.resourceLimitExceeded)) }
        self.circuits += 1
        self.circuitsOf[source, default: 0] += 1
        self.circuitsOf[target, default: 0] += 1
        return .success(place.connection)
    }

    /// A circuit that was counted is over.
    package mutating func end(from source: PeerID, to target: PeerID) {
        self.circuits -= 1
        Self.decrement(source, in: &self.circuitsOf)
        Self.decrement(target, in: &self.circuitsOf)
    }

    private static func decrement<Key>(_ key: Key, in counts: inout [Key: Int]) {
        guard let count = counts[key] else { return }
        counts[key] = count > 1 ? count - 1 : nil
    }
}
