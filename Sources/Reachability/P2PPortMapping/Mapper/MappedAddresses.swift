import P2PMultiaddr

/// Where this node is to be found outside, as its mappings say.
enum MappedAddresses {
    /// The listening addresses as they look from outside: every protocol of a mapped port, WebSockets on a shared port included.
    ///
    /// - Returns: only addresses of the internet: what another router makes of the others, nobody knows.
    static func of(_ listening: [Multiaddr], _ mappings: [PortMappingStatus.Mapping]) -> [Multiaddr] {
        var addresses: [Multiaddr] = []
        for mapping in mappings {
            guard let external = mapping.externalAddress, external.isPublic else { continue }
            for address in listening where address.ipAddress == mapping.localAddress && LocalPort(address) == mapping.local {
                let rest = (address.tcpEndpoint ?? address.udpEndpoint)?.remainder ?? []
                let thin =
                    mapping.local.transport == .tcp
                    ? Multiaddr(ip: external, tcp: mapping.externalPort) : Multiaddr(ip: external, udp: mapping.externalPort)
                guard let outer = try? Multiaddr(thin.components + rest).withoutPeerID, !addresses.contains(outer) else { continue }
                addresses.append(outer)
            }
        }
        return addresses
    }
}
