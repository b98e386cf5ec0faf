import ArgumentParser
import P2P
import P2PMultiaddr
import P2PTunnels

/// `p2p tunnel forward`.
struct TunnelForwardCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward",
        abstract: "Bring a peer's service to a local port.",
        discussion: """
            Runs until SIGTERM or SIGINT, and connects to the peer again whenever the connection is lost. Port 0 leaves the port to the system.
              p2p tunnel forward 127.0.0.1:2222 /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... /x/ssh
              p2p tunnel forward unix:/tmp/db.sock /dns4/example.org/tcp/4001/p2p/12D3Koo... /x/db
              p2p tunnel forward 127.0.0.1:5353 /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... /x/dns --udp
            """)

    @Argument(help: ArgumentHelp("What to listen on: HOST:PORT or unix:PATH.", valueName: "listen"), transform: TunnelArgument.endpoint)
    var listen: TunnelEndpoint

    @Argument(
        help: "Where the peer is and who it is, such as /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo…", transform: TargetOptions.parse)
    var address: Multiaddr

    @Argument(help: ArgumentHelp("The name of its service, such as /x/ssh.", valueName: "name"), transform: TunnelArgument.name)
    var name: TunnelName

    @Flag(help: "The service takes datagrams.")
    var udp = false

    @OptionGroup var meeting: MeetingOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard self.address.peerID != nil else {
            throw ValidationError("\(self.address) does not say which peer to expect: add /p2p/ and its id.")
        }
        if self.udp, case .unix = self.listen { throw ValidationError("--udp needs HOST:PORT to listen on.") }
    }

    func execute(_ console: Console) async throws {
        guard let peer = self.address.peerID else { return }
        let forward = TunnelForward(self.listen, to: peer, self.name, isDatagrams: self.udp)
        let plan = TunnelPlan(forwards: [TunnelPlan.Forward(forward: forward, address: self.address)])
        let (address, meeting) = (self.address, self.meeting)
        do {
            try await NodeSession.run(self.node, adjust: { try plan.apply(to: &$0) }) { session in
                try await meeting.meet(session)
                _ = try await session.connect(to: address)
                try await plan.run(session.host, console)
            }
        } catch is Interruption {
            // The ordinary end.
        }
    }
}
