import P2PMultiaddr

/// Which of a client's addresses a server dials: nothing that could hurt anybody else.
enum DialBackChoice {
    /// Of the ports below 1024, those on which peers listen.
    private static let lowPorts: Set<UInt16> = [80, 443]

    /// The addresses that a client of the first version is dialled at: its own, at the ports that it names.
    ///
    /// - Parameters:
    ///   - observed: where the client was met.
    ///   - own: addresses of this machine.
    /// - Returns: empty when it may not be dialled at all.
    static func own(_ asked: [Multiaddr], observed: Multiaddr, canDial: (Multiaddr) -> Bool) -> [Multiaddr] {
        guard let ip = observed.ipAddress?.unmapped, ip.isPublic, !observed.isRelayed else { return [] }
        var chosen: [Multiaddr] = []
        for address in asked + [observed] where !address.isRelayed {
            guard let moved = Self.moved(address.withoutPeerID, to: ip), canDial(moved), !chosen.contains(moved) else { continue }
            chosen.append(moved)
        }
        return Array(chosen.prefix(AutoNATv1Message.maximumAddresses))
    }

    /// The same port and protocols at another IP address; nil for what has no port.
    private static func moved(_ address: Multiaddr, to ip: IPAddress) -> Multiaddr? {
        guard address.ipAddress != nil, let endpoint = address.tcpEndpoint ?? address.udpEndpoint, endpoint.port > 0 else { return nil }
        let thin = address.tcpEndpoint == nil ? Multiaddr(ip: ip, udp: endpoint.port) : Multiaddr(ip: ip, tcp: endpoint.port)
        return try? Multiaddr(thin.components + endpoint.remainder)
    }

    /// The first address that a server of the second version may and can dial; names are not asked for, for they may lead anywhere.
    ///
    /// - Returns: nil for none. `isForeign` says that it is not the client's own, as far as one sees.
    static func first(
        of asked: [Multiaddr?], observed: Multiaddr, mayDialForeign: () -> Bool, canDial: (Multiaddr) -> Bool
    ) -> (index: Int, address: Multiaddr, isForeign: Bool)? {
        guard let seen = observed.ipAddress?.unmapped, !observed.isRelayed else { return nil }
        for (index, address) in asked.enumerated() {
            guard let address = address?.withoutPeerID, !address.isRelayed, let ip = address.ipAddress?.unmapped, ip.isPublic,
                let port = (address.tcpEndpoint ?? address.udpEndpoint)?.port, port > 0, canDial(address)
            else { continue }
            guard ip != seen else { return (index, address, false) }
            guard port >= 1_024 || Self.lowPorts.contains(port), mayDialForeign() else { continue }
            return (index, address, true)
        }
        return nil
    }
}
