import NIOCore
import P2PCore
import P2PMultiaddr
import P2PSwarm

/// Where peers say that they see this node, as a value.
///
/// One peer may lie or sit in the same network; an address counts once enough peers name it, not all of them in one network (IPv4 /24, IPv6 /48),
/// for as long as they do.
struct ObservedAddresses {
    /// Addresses that are counted at a time; the one with the fewest observers makes room.
    static let limit = 64
    /// Observers that are remembered for one address.
    static let observerLimit = 32
    /// Addresses of one IP family that are confirmed at a time, those with the most observers: a node has few, and every
    /// one that is wrong costs each peer a dial.
    static let confirmedLimit = 4
    /// For how long a peer's word counts, and again for as long as its connection lives; as in go-libp2p.
    static let timeToLive = Duration.seconds(40 * 60)

    /// Networks in which those who name an address have to be, unless one of them is enough.
    static let networksNeeded = 2

    private struct Observation {
        var connection: ConnectionID
        let network: NetworkKey
        var expiresAt: NIODeadline
    }

    private let observersNeeded: Int
    private var observations: [Multiaddr: [AddressKey: Observation]] = [:]
    /// Those that enough peers have named, in a fixed order.
    private(set) var confirmed: [Multiaddr] = []

    init(observersNeeded: Int) {
        self.observersNeeded = max(1, observersNeeded)
    }

    var count: Int { self.observations.count }

    /// All that are counted, those with the most observers first.
    var all: [ObservedAddress] {
        let confirmed = Set(self.confirmed)
        return self.observations.map {
            ObservedAddress(address: $0.key, observers: $0.value.count, isConfirmed: confirmed.contains($0.key))
        }
        .sorted { ($1.observers, $0.address.description) < ($0.observers, $1.address.description) }
    }

    /// Whether a peer's word counts: where it sees this node, others may find it only if that leads to a socket that listens.
    ///
    /// A peer that dialled has come to one. A peer that was dialled sees a port that lives as long as the connection, unless the dial came
    /// from the socket, or at least the address, that is listened on: QUIC's do, TCP's when they are told to. Without their word a node
    /// behind a NAT would never learn where it is. What was seen over another protocol than the connection's, or through a relay, is not
    /// about that socket.
    ///
    /// - Parameter listening: where this node listens, wildcards spelled out.
    static func counts(_ observed: Multiaddr, on connection: ConnectionInfo, listening: [Multiaddr]) -> Bool {
        guard !connection.isLimited, !connection.remoteAddress.isRelayed, !observed.isRelayed,
            let socket = ListeningSocket(connection.localAddress), let seen = ListeningSocket(observed), seen.transport == socket.transport
        else { return false }
        return !connection.isDialled || listening.contains { ListeningSocket($0) == socket }
    }

    /// The peer of a connection from `observer` sees this node at `address`; true when that changes what is confirmed.
    mutating func observe(
        _ address: Multiaddr, by observer: Multiaddr, on connection: ConnectionID, at now: NIODeadline
    ) -> Bool {
        guard let ip = address.ipAddress, !ip.isLoopback, !ip.isUnspecified, !ip.isLinkLocal,
            (address.tcpEndpoint ?? address.udpEndpoint)?.port != 0, let key = AddressKey(observer), self.makeRoom(for: address)
        else { return false }
        let (known, network) = (self.observations[address, default: [:]], NetworkKey(observer))
        // One network leaves room for others, without whom it confirms nothing.
        let isOpen =
            known.count < Self.observerLimit && known.values.count { $0.network == network } < Self.observerLimit / Self.networksNeeded
        guard known[key] != nil || isOpen else { return false }
        self.observations[address, default: [:]][key] = Observation(
            connection: connection, network: network, expiresAt: now.advanced(by: Self.timeToLive))
        return self.confirm()
    }

    /// Forgets what is too old; true when that changes what is confirmed.
    ///
    /// - Parameter isLive: whether a connection lives.
    mutating func expire(at now: NIODeadline, isLive: (ConnectionID) -> Bool) -> Bool {
        for (address, observers) in self.observations {
            guard observers.values.contains(where: { $0.expiresAt <= now }) else { continue }
            let current = observers.compactMapValues { observation -> Observation? in
                guard observation.expiresAt <= now else { return observation }
                guard isLive(observation.connection) else { return nil }
                return Observation(
                    connection: observation.connection, network: observation.network, expiresAt: now.advanced(by: Self.timeToLive))
            }
            self.observations[address] = current.isEmpty ? nil : current
        }
        return self.confirm()
    }

    /// False when the address is new and there is none that may make room for it.
    private mutating func makeRoom(for address: Multiaddr) -> Bool {
        guard self.observations[address] == nil, self.observations.count >= Self.limit else { return true }
        let doubtful = self.observations.filter { !self.areEnough($0.value) }
        guard let weakest = doubtful.min(by: { $0.value.count < $1.value.count }) else { return false }
        self.observations[weakest.key] = nil
        return true
    }

    private func areEnough(_ observers: [AddressKey: Observation]) -> Bool {
        guard observers.count >= self.observersNeeded else { return false }
        return self.observersNeeded == 1 || Set(observers.values.map(\.network)).count >= Self.networksNeeded
    }

    private mutating func confirm() -> Bool {
        let strongest = self.observations.filter { self.areEnough($0.value) }
            .sorted { ($1.value.count, $0.key.description) < ($0.value.count, $1.key.description) }.map(\.key)
        let families = [true, false].map { isIPv4 in strongest.filter { $0.ipAddress?.isIPv4 == isIPv4 }.prefix(Self.confirmedLimit) }
        let confirmed = families.joined().sorted { $0.description < $1.description }
        defer { self.confirmed = confirmed }
        return confirmed != self.confirmed
    }
}
