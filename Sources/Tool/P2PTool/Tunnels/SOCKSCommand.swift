import ArgumentParser
import P2P
import P2PMultiaddr
import P2PTunnels

/// `p2p socks`.
struct SOCKSCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "socks",
        abstract: "A SOCKS 5 proxy whose way out is a peer.",
        discussion: """
            The peer connects what its policy grants (tunnel-connect), and looks names up. A host NAME.PEER.p2p is the service /x/NAME of that \
            peer, whose id stands there as a CIDv1 in base36 or base32. Runs until SIGTERM or SIGINT.
              p2p socks --listen 127.0.0.1:1080 --via /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo...
              curl --socks5-hostname 127.0.0.1:1080 http://intranet.example/
            """)

    @Option(
        help: ArgumentHelp("Where to listen: a loopback address and a port, or unix:PATH.", valueName: "endpoint"),
        transform: TunnelArgument.endpoint)
    var listen: TunnelEndpoint

    @Option(help: ArgumentHelp("The peer through which to connect.", valueName: "multiaddr"), transform: TargetOptions.parse)
    var via: Multiaddr

    @OptionGroup var meeting: MeetingOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard self.via.peerID != nil else {
            throw ValidationError("--via \(self.via) does not say which peer to expect: add /p2p/ and its id.")
        }
        guard self.listen.isLocal else {
            throw ValidationError(
                "--listen \(self.listen) is no loopback address, and there is no password: others would use the peer through it.")
        }
    }

    func execute(_ console: Console) async throws {
        guard let peer = self.via.peerID else { return }
        let (listen, via, meeting) = (self.listen, self.via, self.meeting)
        let tunnels = Tunnels()
        do {
            try await NodeSession.run(self.node, adjust: { $0.modules.append(tunnels) }) { session in
                try await meeting.meet(session)
                _ = try await session.connect(to: via)
                try session.host.keepConnected(peer, at: [via])
                let (_, bound) = try await tunnels.socks(listen, through: peer)
                console.announce(
                    ["event": "forwarding", "listen": .text(bound), "peer": .text(peer)], "SOCKS 5 at \(bound), through \(peer)")
                try await TunnelReport.run(tunnels, console)
            }
        } catch is Interruption {
            // The ordinary end.
        }
    }
}
