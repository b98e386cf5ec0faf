import ArgumentParser
import Logging
import P2P
import P2PMultiaddr

/// `p2p daemon`.
struct DaemonCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon",
        abstract: "Run a node that serves identify, ping, echo and perf.",
        discussion: """
            Runs until SIGTERM or SIGINT, then says goodbye to every peer and ends with 0. SIGUSR1 prints a snapshot of what the \
            node holds. Without --listen it listens on every IPv4 interface, over TCP and QUIC, at ports that the system chooses.
              p2p daemon --key node.key --listen /ip4/0.0.0.0/tcp/4001
              p2p daemon --listen /ip4/0.0.0.0/tcp/4001 --listen /ip4/0.0.0.0/udp/4001/quic-v1
              p2p daemon --listen /ip4/127.0.0.1/tcp/4001 --listen /ip6/::1/tcp/4001
              p2p daemon --listen /ip4/127.0.0.1/tcp/0 --json
              p2p daemon --mdns --mdns-interface lo --listen /ip4/127.0.0.1/tcp/0
            """)

    @Option(help: ArgumentHelp("Where to listen; repeat it for several.", valueName: "multiaddr"), transform: TargetOptions.parse)
    var listen: [Multiaddr] = []

    @OptionGroup var discovery: DiscoveryOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    /// Every IPv4 interface, over what is built in and allowed.
    private func everywhere() throws -> [Multiaddr] {
        let tcp = try Multiaddr("/ip4/0.0.0.0/tcp/0")
        return QUICTransport.isBuiltIn && self.node.psk == nil ? [tcp, try Multiaddr("/ip4/0.0.0.0/udp/0/quic-v1")] : [tcp]
    }

    func execute(_ console: Console) async throws {
        let listen = try self.listen.isEmpty ? self.everywhere() : self.listen
        try await NodeSession.run(self.node, grace: .seconds(2), adjust: self.discovery.apply) { session in
            try self.discovery.keepConnected(session.host)
            try await DaemonRun(host: session.host, console: console).run(listen)
        }
    }
}
