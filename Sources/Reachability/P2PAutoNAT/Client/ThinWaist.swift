import P2PMultiaddr

/// The part of an address that a router sees: IP address, TCP or UDP, port. What is reached at one is reached in every protocol that listens there.
struct ThinWaist: Hashable, Sendable, CustomStringConvertible {
    enum Transport: String, Hashable, Sendable { case tcp, udp }

    let ip: IPAddress
    let transport: Transport
    let port: UInt16

    init(ip: IPAddress, transport: Transport, port: UInt16) {
        self.ip = ip
        self.transport = transport
        self.port = port
    }

    /// Nil for an address that begins otherwise.
    init?(_ address: Multiaddr) {
        guard let ip = address.ipAddress?.unmapped else { return nil }
        if let endpoint = address.tcpEndpoint, endpoint.port > 0 {
            self.init(ip: ip, transport: .tcp, port: endpoint.port)
        } else if let endpoint = address.udpEndpoint, endpoint.port > 0 {
            self.init(ip: ip, transport: .udp, port: endpoint.port)
        } else {
            return nil
        }
    }

    var description: String { "\(self.ip) \(self.transport.rawValue) \(self.port)" }
}
