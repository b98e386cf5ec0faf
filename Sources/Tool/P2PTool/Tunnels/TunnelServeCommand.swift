import ArgumentParser
import P2PIdentity
import P2PTunnels

/// `p2p tunnel serve`.
struct TunnelServeCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a node that serves a local service to peers, by a name.",
        discussion: """
            EVERY PEER that connects to the node may use the service, as with kubo's tunnels, unless --peer, or the rules of --policy (service:/x/NAME), \
            say who; a warning says so at start. To others it is as if there were none.
              p2p tunnel serve /x/ssh 127.0.0.1:22 --listen /ip4/0.0.0.0/tcp/4001 --peer 12D3Koo...
              p2p tunnel serve /x/db unix:/run/db.sock
              p2p tunnel serve /x/dns 127.0.0.1:53 --udp
            Otherwise it is as `p2p daemon`, and takes its options.
            """)

    @Argument(help: ArgumentHelp("The name of the service, such as /x/ssh.", valueName: "name"), transform: TunnelArgument.name)
    var name: TunnelName

    @Argument(help: ArgumentHelp("Where it is: HOST:PORT or unix:PATH.", valueName: "target"), transform: TunnelArgument.target)
    var target: TunnelEndpoint

    @Flag(help: "The service takes datagrams.")
    var udp = false

    @Option(
        help: ArgumentHelp("A peer that may use it; repeat it for several. (default: every peer)", valueName: "peer-id"),
        transform: TunnelArgument.peer)
    var peer: [PeerID] = []

    @Option(
        help: ArgumentHelp(
            "What the service is told of the peer first: none, its id and a newline (line), or the PROXY protocol's header, version 2 (proxy).",
            valueName: "how"))
    var introduce = IntroductionChoice.none

    @OptionGroup var daemon: DaemonCommand

    var output: OutputOptions { self.daemon.output }

    func validate() throws {
        if self.udp, self.introduce != .none { throw ValidationError("--introduce is for connections; datagrams have no beginning.") }
        if self.udp, case .unix = self.target { throw ValidationError("--udp needs a target HOST:PORT.") }
    }

    func execute(_ console: Console) async throws {
        let service = TunnelService(
            self.name, at: self.target, isDatagrams: self.udp, access: self.peer.isEmpty ? .anyone : .peers(Set(self.peer)),
            introduction: self.introduce.introduction)
        try await self.daemon.execute(console, TunnelPlan(services: [service]))
    }
}
