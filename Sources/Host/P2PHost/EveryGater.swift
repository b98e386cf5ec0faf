import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Asks everybody who has a say, in order; the first refusal counts.
final class EveryGater: ConnectionGater {
    private let gaters: Mutex<[any ConnectionGater]>

    init(_ first: any ConnectionGater) {
        self.gaters = Mutex([first])
    }

    /// Modules have joined: they are asked, too.
    func add(_ more: [any ConnectionGater]) {
        self.gaters.withLock { $0 += more }
    }

    /// Whether nobody refuses anybody.
    var isOpen: Bool { self.all.allSatisfy { $0 is OpenGater } }

    private var all: [any ConnectionGater] { self.gaters.withLock { $0 } }

    func mayDial(_ address: Multiaddr, peer: PeerID?) async -> Bool {
        for gater in self.all where await !gater.mayDial(address, peer: peer) { return false }
        return true
    }

    func mayAccept(from address: Multiaddr) async -> Bool {
        for gater in self.all where await !gater.mayAccept(from: address) { return false }
        return true
    }

    func mayKeep(_ connection: ConnectionInfo) async -> Bool {
        for gater in self.all where await !gater.mayKeep(connection) { return false }
        return true
    }
}
