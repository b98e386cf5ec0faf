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

    func mayListen(on address: Multiaddr) async -> GateAnswer {
        await self.everybody { await $0.mayListen(on: address) }
    }

    func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer {
        await self.everybody { await $0.mayDial(address, peer: peer) }
    }

    func mayReach(_ ip: IPAddress, namedBy address: Multiaddr, peer: PeerID?) async -> GateAnswer {
        await self.everybody { await $0.mayReach(ip, namedBy: address, peer: peer) }
    }

    func mayAccept(from address: Multiaddr) async -> GateAnswer {
        await self.everybody { await $0.mayAccept(from: address) }
    }

    func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer {
        await self.everybody { await $0.mayKeep(connection, dialledAt: address) }
    }

    func ended(_ connection: ConnectionInfo) {
        for gater in self.all { gater.ended(connection) }
    }

    func stoppedListening(on address: Multiaddr) {
        for gater in self.all { gater.stoppedListening(on: address) }
    }

    private func everybody(_ ask: (any ConnectionGater) async -> GateAnswer) async -> GateAnswer {
        for gater in self.all {
            let answer = await ask(gater)
            guard answer.isGranted else { return answer }
        }
        return .granted
    }
}
