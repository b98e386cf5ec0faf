import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p rendezvous register`.
struct RendezvousRegisterCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Be found under a name.",
        discussion: """
            What is registered is who this node is and where it listens, so give it a --key that it has again later. With --stay it runs on until it is \
            interrupted, registers again in time, and takes it back at the end; without, it ends once it has registered.
            """)

    /// How long before its end a registration is made again.
    private static let margin = Duration.seconds(30)

    @Argument(help: "The name.")
    var namespace: String

    @OptionGroup var point: RendezvousPointOptions

    @Option(
        help: ArgumentHelp("Seconds for which it holds. (default: as the rendezvous point has it, usually two hours)", valueName: "seconds")
    )
    var ttl: Seconds?

    @Flag(help: "Run on until interrupted.")
    var stay = false

    @Option(
        help: ArgumentHelp(
            "Where to listen; repeat it for several. (default: every interface, at ports that the system chooses)", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var listen: [Multiaddr] = []

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let everywhere = ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"].compactMap { try? Multiaddr($0) }
        let listen = self.listen.isEmpty ? everywhere : self.listen
        do {
            try await NodeSession.run(self.node) { session in
                _ = try await session.host.listen(on: listen)
                while true {
                    let granted = try await self.register(session, console)
                    guard self.stay else { return }
                    try await Task.sleep(for: max(Self.margin, granted - Self.margin))
                }
            }
        } catch is Interruption where self.stay {
            // The ordinary end.
            return
        }
    }

    private func register(_ session: NodeSession, _ console: Console) async throws -> Duration {
        let connection = try await session.connect(to: self.point.at)
        let granted = try await Rendezvous.register(self.namespace, for: self.ttl?.duration, on: connection)
        try await console.emit(
            [
                "event": "registered", "namespace": .string(self.namespace), "peer": .text(session.host.peerID),
                "at": .text(connection.remotePeer), "ttl_s": .seconds(granted),
            ], "registered as \(PeerText(self.namespace)) at \(connection.remotePeer) for \(granted.components.seconds) s")
        return granted
    }
}
