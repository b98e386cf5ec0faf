import ArgumentParser
import P2P
import P2PMultiaddr

/// `p2p rendezvous`.
struct RendezvousCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rendezvous",
        abstract: "Meet others at a rendezvous point.",
        discussion: """
            Whoever registers there under a name is found there by it. A daemon is such a point with --rendezvous.
              p2p daemon --rendezvous --listen /ip4/127.0.0.1/tcp/4001
              p2p rendezvous register my-game --at /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --stay
              p2p rendezvous discover my-game --at /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --json
            """,
        subcommands: [RendezvousRegisterCommand.self, RendezvousDiscoverCommand.self])
}

/// A rendezvous point.
struct RendezvousPointOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The rendezvous point.", valueName: "multiaddr"), transform: TargetOptions.parse)
    var at: Multiaddr

    func validate() throws {
        guard self.at.peerID != nil else {
            throw ValidationError("--at \(self.at) does not say which peer to expect: add /p2p/ and its id.")
        }
    }

    /// Says what makes a node a rendezvous point, where the peer is none.
    func explained(_ error: any Error) -> any Error {
        guard let error = error as? RendezvousError, error.code == .protocolNotSupported else { return error }
        return ToolError(error.code.description, "\(error.message). A node is one with p2p daemon --rendezvous.")
    }
}
