import P2PIdentity
import P2PMultiaddr

/// An address that leads through one relay: `[/ip4/…]/p2p/RELAY/p2p-circuit[/p2p/TARGET]`.
struct CircuitAddress: Hashable, Sendable {
    let relay: PeerID
    /// Where the relay is, without `/p2p`; empty when that is not said.
    let relayAddresses: [Multiaddr]
    /// Who is at the other end; nil for an address to listen on.
    let target: PeerID?

    /// Nil for what leads through no relay, or through more than one, or names no relay.
    init?(_ address: Multiaddr) {
        let components = address.components
        let turns = components.indices.filter { components[$0].protocol == .p2pCircuit }
        guard turns.count == 1, let turn = turns.first, turn > 0, let relay = components[turn - 1].peerID else { return nil }
        let behind = components[(turn + 1)...]
        guard behind.count <= 1, behind.allSatisfy({ $0.protocol == .p2p }) else { return nil }
        let before = components[..<(turn - 1)]
        guard let bare = try? Multiaddr(before), bare.peerID == nil else { return nil }
        self.relay = relay
        self.relayAddresses = bare.isEmpty ? [] : [bare]
        self.target = behind.first?.peerID
    }

    /// The address at which this node is found through a relay that is at `address`; nil when it can't be spelled.
    static func place(at address: Multiaddr?, of relay: PeerID) -> Multiaddr? {
        let bare = address?.withoutPeerID.withoutZone.components ?? []
        return try? Multiaddr(bare + [.p2p(relay), .p2pCircuit])
    }
}
