package import P2PMultiaddr

/// Which addresses may pass between this node and another, and which of those that are remembered may be dialled: everybody who tells,
/// keeps or dials addresses asks here (the table is in `Specs/AddressScopes.md`).
///
/// An address means one host only within its reach, so it is believed if it was told within that, and told to those within it: else a
/// stranger could have this node connect to services of its own machine or network.
package struct AddressJudge: Sendable {
    /// Where this machine is now.
    package let networks: LocalNetworks

    package init(_ networks: LocalNetworks) {
        self.networks = networks
    }

    // MARK: Told by others

    /// The address as it may be kept, or nil: an address of a link gets the interface on which its teller was met.
    package func believed(_ address: Multiaddr, toldAt meeting: Meeting) -> Multiaddr? {
        // Interfaces of another machine mean nothing here.
        guard address.zone == nil else { return nil }
        switch address.reach {
        case nil, .internet: return address
        case .nowhere: return nil
        case .host: return meeting.reach == .host ? address : nil
        case .network: return address.ipAddress.map { self.isShared($0.unmapped, at: meeting) } == true ? address : nil
        case .link:
            return meeting.zone.flatMap { address.withZone($0) }
        }
    }

    /// Where an address that is believed holds; nil when that is not known.
    package func origin(of address: Multiaddr, toldAt meeting: Meeting) -> AddressOrigin? {
        address.reach == .internet ? .internet : self.origin(of: meeting)
    }

    /// Where that holds which is told there; nil when that is not known.
    package func origin(of meeting: Meeting) -> AddressOrigin? {
        switch meeting.reach {
        case .host: return .host
        case .internet, .nowhere: return .internet
        case .link, .network: return self.network(of: meeting).map { AddressOrigin(network: $0) }
        }
    }

    /// Where an address holds for which somebody vouches who is not a peer; nil when that is not known.
    package func origin(of address: Multiaddr) -> AddressOrigin? {
        switch address.reach {
        case .internet?: return .internet
        case .host?: return .host
        case .network?:
            guard let ip = address.ipAddress?.unmapped else { return nil }
            return self.networks.links.lazy.flatMap(\.prefixes).first { $0.contains(ip) }.map { AddressOrigin(network: $0.network) }
        case .link?, .nowhere?, nil: return nil
        }
    }

    // MARK: Told to others

    /// The address as it may be told there, without any interface of this machine, or nil.
    package func told(_ address: Multiaddr, at meeting: Meeting) -> Multiaddr? {
        let bare = address.withoutZone
        switch bare.reach {
        case nil, .internet: return bare
        case .nowhere: return nil
        case .host: return meeting.reach == .host ? bare : nil
        case .network(let range):
            guard meeting.reach != .host, let ip = bare.ipAddress?.unmapped else { return bare }
            return self.isShared(ip, at: meeting, within: range) ? bare : nil
        case .link:
            guard meeting.reach == .link, let zone = address.zone, self.links(of: meeting).contains(where: { $0.isNamed(zone) })
            else { return nil }
            return bare
        }
    }

    // MARK: Dialled

    /// Why an address that nobody gave by hand is not dialled from where this machine is now; nil when it may be.
    package func objection(to known: KnownAddress) -> TransportError? {
        guard known.source != .given, let reach = known.address.reach else { return nil }
        switch reach {
        case .internet: return nil
        case .nowhere: return Self.refusal("it names no single host")
        case .host:
            // Stores hold what was believed when it was told.
            let isOurs = known.origin.map { $0 == .host } ?? true
            return isOurs || known.source == .connected ? nil : Self.refusal("whoever told it is on another machine")
        case .link:
            guard let zone = known.address.zone, self.networks.links.contains(where: { $0.isNamed(zone) }) else {
                return Self.refusal("it names no interface of this machine")
            }
            return nil
        case .network(let range):
            guard let ip = known.address.ipAddress?.unmapped, self.isHere(ip, in: range, known.origin) else {
                return Self.refusal("it belongs to another network than those that this machine is in")
            }
            return nil
        }
    }

    /// Whether one of the addresses that a name resolves to may be dialled. Names are others' to point anywhere, so what is not the
    /// internet's has to hold where the name was told.
    package func mayReach(_ ip: IPAddress, namedBy known: KnownAddress) -> Bool {
        guard known.source != .given else { return true }
        switch ip.reach {
        case .internet: return true
        case .host: return known.origin == .host
        case .link, .nowhere: return false
        case .network(let range):
            let ip = ip.unmapped
            if let network = known.origin?.network { return network.contains(ip) && self.networks.contains(network) }
            // Local discovery hears of its own networks alone.
            return known.origin == nil
                ? known.source == .discovery && self.isHere(ip, in: range, nil) : self.isHere(ip, in: range, known.origin)
        }
    }

    private static func refusal(_ reason: String) -> TransportError { TransportError(.unreachable, reason) }

    // MARK: Networks

    /// Whether an address of a private network is one of the network where the other was met: on the same interface, or in the same
    /// range and on no other interface.
    private func isShared(_ ip: IPAddress, at meeting: Meeting, within range: IPNetwork? = nil) -> Bool {
        if ip == meeting.remote { return true }
        switch meeting.reach {
        // What a neighbour on this machine has, this machine has.
        case .host: return self.networks.holds(ip)
        case .internet, .nowhere: return false
        case .link, .network:
            let links = self.links(of: meeting)
            if links.contains(where: { $0.reaches(ip) }) { return true }
            guard case .network(let shared) = meeting.reach, shared.contains(ip) else { return false }
            return !self.networks.links.contains { $0.reaches(ip) && !links.contains($0) }
        }
    }

    /// The interfaces over which the two speak.
    private func links(of meeting: Meeting) -> [LocalNetworks.Link] {
        if let zone = meeting.zone { return self.networks.links.filter { $0.isNamed(zone) } }
        if let local = meeting.local {
            let own = self.networks.links.filter { $0.holds(local) }
            if !own.isEmpty { return own }
        }
        guard let remote = meeting.remote, meeting.reach != .link else { return [] }
        return self.networks.links.filter { $0.reaches(remote) }
    }

    /// The network where the two have met, of the other's IP version if there is one.
    private func network(of meeting: Meeting) -> IPNetwork? {
        let prefixes = self.links(of: meeting).flatMap(\.prefixes).filter { $0.address.reach != .link }
        let isIPv4 = meeting.remote?.isIPv4 ?? true
        let best =
            prefixes.first { prefix in meeting.remote.map { prefix.contains($0) } ?? false }
            ?? prefixes.first { $0.address.isIPv4 == isIPv4 } ?? prefixes.first
        return best?.network
    }

    private func isHere(_ ip: IPAddress, in range: IPNetwork, _ origin: AddressOrigin?) -> Bool {
        switch origin {
        case .host?: return self.networks.holds(ip)
        case let origin?: return origin.network.map { self.networks.contains($0) } ?? false
        case nil:
            return self.networks.reaches(ip)
                || self.networks.links.contains { $0.prefixes.contains { range.contains($0.address.unmapped) } }
        }
    }
}
