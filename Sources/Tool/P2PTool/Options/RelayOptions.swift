import ArgumentParser
import P2P
import P2PMultiaddr

/// What a daemon has to do with relays: those that it uses, and the one that it is.
struct RelayOptions: ParsableArguments {
    @Flag(help: "Be a relay for others, who reach each other through this node within the limits named relay. (see --limit).")
    var relayService = false

    @Option(
        help: ArgumentHelp(
            "A relay to be reached through; repeat it for several. A place at it is asked for again whenever it is lost.",
            valueName: "multiaddr"), transform: TargetOptions.parse)
    var relay: [Multiaddr] = []

    @Flag(help: "Be reached through relays that are found among the peers that this node meets, two at a time.")
    var autorelay = false

    func validate() throws {
        for address in self.relay {
            guard !address.isRelayed else {
                throw ValidationError("--relay \(address) leads through another relay, which no circuit does.")
            }
            guard address.peerID != nil else {
                throw ValidationError("--relay \(address) does not say which peer to expect: add /p2p/ and its id.")
            }
        }
    }

    /// What to listen on for places at the relays.
    func places() throws -> [Multiaddr] {
        try self.relay.map { try $0.appending(.p2pCircuit) } + (self.autorelay ? [Multiaddr([.p2pCircuit])] : [])
    }

    /// Makes the node a relay, if it is to be one.
    func apply(to setup: inout NodeSetup) {
        guard self.relayService else { return }
        let service = RelayService(limits: setup.relayLimits)
        setup.relayService = service
        setup.modules.append(service)
    }
}
