import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// How a host of a world reaches the others.
final class WorldTransport: Transport, HostModule {
    /// The first port that a listener on port 0 gets.
    private static let firstPort: UInt16 = 4_001
    /// Where the ports that dials come from begin (RFC 6335, section 6).
    private static let firstDialPort: UInt16 = 49_152

    let network: WorldNetwork
    let key: PublicKey
    let host: Int
    private let lastDialPort = Mutex(WorldTransport.firstDialPort)

    init(network: WorldNetwork, key: PublicKey, host: Int) {
        self.network = network
        self.key = key
        self.host = host
    }

    var peer: PeerID { PeerID(self.key) }

    func join(_ plan: inout HostPlan) {
        plan.transports.append(self)
        self.network.setMemory(plan.windowBudget, of: self.host)
        // All hosts of a world are in one network.
        let link = LocalNetworks.Link(
            name: "world", index: 1,
            prefixes: [InterfaceAddress(address: WorldNetwork.ip(of: self.host), length: WorldNetwork.prefixLength)])
        plan.localNetworks = { LocalNetworks([link]) }
    }

    func canDial(_ address: Multiaddr) -> Bool { address.tcpEndpoint != nil }
    func canListen(on address: Multiaddr) -> Bool { address.tcpEndpoint != nil }

    // MARK: Dialing

    func dial(_ address: Multiaddr, expecting peer: PeerID?, options: DialOptions) async throws(TransportError) -> any MuxedConnection {
        let address = address.withoutPeerID
        guard let target = self.network.host(at: address), self.network.link(self.host, target) != nil else {
            throw TransportError(.unreachable, "no link leads from host \(self.host) to \(address)")
        }
        self.network.note(.dialled, from: self.host, to: target)
        let attempt = WorldDial(by: self, from: self.nextDialAddress(), to: address, of: target, expecting: peer)
        let clock = self.network.clock
        let alarm = clock.schedule(at: options.deadline) {
            attempt.decide(.failure(TransportError(.timedOut, "nobody answered at \(address) by the deadline")))
        }
        _ = clock.schedule(at: self.network.send(0, from: self.host, to: target)) { attempt.arrive() }
        await attempt.decided.wait()
        clock.unschedule(alarm)
        // Without a verdict the task was cancelled.
        attempt.decide(.failure(TransportError(.cancelled, "the dial was cancelled")))
        return try attempt.result()
    }

    private func nextDialAddress() -> Multiaddr {
        let port = self.lastDialPort.withLock { port in
            port = port == .max ? Self.firstDialPort : port + 1
            return port
        }
        return Multiaddr(ip: WorldNetwork.ip(of: self.host), tcp: port)
    }

    // MARK: Listening

    func listen(on address: Multiaddr) async throws(TransportError) -> any TransportListener {
        let ip = WorldNetwork.ip(of: self.host)
        guard let endpoint = address.tcpEndpoint, let asked = address.ipAddress, asked.isUnspecified || asked == ip else {
            throw TransportError(.invalidAddress, "host \(self.host) of the world listens at \(ip), not at \(address)")
        }
        let ports = endpoint.port == 0 ? Self.firstPort...UInt16.max : endpoint.port...endpoint.port
        for port in ports {
            let real = Multiaddr(ip: ip, tcp: port)
            let listener = WorldListener(address: real, network: self.network, transport: self)
            if self.network.bind(listener, to: real) { return listener }
        }
        throw TransportError(.addressInUse, "host \(self.host) of the world listens at \(address) already")
    }
}
