package import P2PMultiaddr

/// The part of an address that a router sees: IP address, TCP or UDP, port. What is reached at one is reached in every protocol that listens there.
package struct ThinWaist: Hashable, Sendable, CustomStringConvertible {
    package enum Transport: String, Hashable, Sendable { case tcp, udp }

    package let ip: IPAddress
    package let transport: Transport
    package let port: UInt16

    init(ip: IPAddress, transport: Transport, port: UInt16) {
        self.ip = ip
        self.transport = transport
        self.port = port
    }

    /// Nil for an address that begins otherwise.
    package init?(_ address: Multiaddr) {
        guard let ip = address.ipAddress?.unmapped else { return nil }
        if let endpoint = address.tcpEndpoint, endpoint.port > 0 {
            self.init(ip: ip, transport: .tcp, port: endpoint.port)
        } else if let endpoint = address.udpEndpoint, endpoint.port > 0 {
            self.init(ip: ip, transport: .udp, port: endpoint.port)
        } else {
            return nil
        }
    }

    /// A port of this machine's, whichever of its addresses it is.
    struct Inner: Hashable, Sendable {
        let transport: Transport
        let port: UInt16
    }

    var inner: Inner { Inner(transport: self.transport, port: self.port) }

    package var description: String { "\(self.ip) \(self.transport.rawValue) \(self.port)" }
}
