import P2PMultiaddr

/// Where an address begins, as rules know it.
enum PolicyPlace {
    /// At no socket: an address in memory, or a list in DNS.
    case nowhere
    /// At a port of a host.
    case socket(PolicyNetwork, PolicyTarget, UInt16)
    /// At a host on which systems differ, such as `0177.0.0.1`; as logs may show it.
    case unclear(String)

    init(_ address: Multiaddr) {
        let (tcp, udp) = (address.tcpEndpoint, address.udpEndpoint)
        guard let endpoint = tcp ?? udp else {
            self = .nowhere
            return
        }
        let network: PolicyNetwork = tcp == nil ? .udp : .tcp
        switch endpoint.host {
        case .ip(let ip, _): self = .socket(network, .address(ip.unmapped), endpoint.port)
        case .name(let name, _):
            if let target = PolicyTarget(name) {
                self = .socket(network, target, endpoint.port)
            } else {
                self = .unclear(String(name.debugDescription.prefix(80)))
            }
        }
    }
}
