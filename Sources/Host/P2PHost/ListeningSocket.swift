import P2PMultiaddr

/// What an address says about the socket beneath it, whatever is spoken over that.
struct ListeningSocket: Hashable {
    let transport: MultiaddrProtocol
    let ip: IPAddress
    let port: UInt16

    /// Nil for an address that names no IP address with a port.
    init?(_ address: Multiaddr) {
        let isTCP = address.tcpEndpoint != nil
        guard let endpoint = address.tcpEndpoint ?? address.udpEndpoint, case .ip(let ip, _) = endpoint.host else { return nil }
        self.transport = isTCP ? .tcp : .udp
        self.ip = ip
        self.port = endpoint.port
    }
}
