import P2PCore
package import P2PMultiaddr
import Synchronization

/// A bound address that the swarm serves.
package final class ActiveListener: Sendable {
    let listener: any TransportListener
    private let current: Mutex<[Multiaddr]>

    init(_ listener: any TransportListener) {
        self.listener = listener
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
