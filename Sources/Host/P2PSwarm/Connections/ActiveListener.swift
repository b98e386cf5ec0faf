import P2PCore
package import P2PMultiaddr
import Synchronization

/// A bound address that the swarm serves.
package final class ActiveListener: Sendable {
    let listener: any TransportListener
    /// What to bind again when it fails: the address that was asked for, with the port that it was given.
    let bindAddress: Multiaddr
    /// The address as the application asked for it.
    let asked: Multiaddr
    /// Fires when arrivals are not wanted here any more; that of the listener in whose place this one was bound, if it was.
    let withdrawn: Signal
    private let current: Mutex<[Multiaddr]>

    init(_ listener: any TransportListener, requested: Multiaddr, asked: Multiaddr, withdrawn: Signal) {
        self.listener = listener
        self.withdrawn = withdrawn
        self.bindAddress = listener.addresses.first.map(requested.withPort(of:)) ?? requested
        self.asked = asked
        self.current = Mutex(listener.addresses)
    }

    /// The real addresses, without `/p2p`.
    package var addresses: [Multiaddr] { self.current.withLock { $0 } }

    /// Replaces the addresses, and says which came and which went.
    func update(_ addresses: [Multiaddr]) -> (added: [Multiaddr], removed: [Multiaddr]) {
        self.current.withLock { current in
            defer { current = addresses }
            return (addresses.filter { !current.contains($0) }, current.filter { !addresses.contains($0) })
        }
    }
}

extension Multiaddr {
    /// This address with the port of another, where its own is 0: any.
    func withPort(of other: Multiaddr) -> Multiaddr {
        guard let endpoint = self.tcpEndpoint ?? self.udpEndpoint, endpoint.port == 0,
            let port = (other.tcpEndpoint ?? other.udpEndpoint)?.port
        else { return self }
        let isTCP = self.tcpEndpoint != nil
        var components = self.components
        guard let index = components.firstIndex(where: { $0.protocol == (isTCP ? .tcp : .udp) }) else { return self }
        components[index] = isTCP ? .tcp(port) : .udp(port)
        return (try? Multiaddr(components)) ?? self
    }
}
