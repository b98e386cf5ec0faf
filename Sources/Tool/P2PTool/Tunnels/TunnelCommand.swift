import ArgumentParser

/// `p2p tunnel`.
struct TunnelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tunnel",
        abstract: "Reach programs that know nothing of peers through them.",
        discussion: """
            On the machine of a service:
              p2p tunnel serve /x/ssh 127.0.0.1:22 --key node.key --listen /ip4/0.0.0.0/tcp/4001
            Where it is wanted:
              p2p tunnel forward 127.0.0.1:2222 /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... /x/ssh
              ssh -p 2222 127.0.0.1
            kubo's ipfs p2p listen and ipfs p2p forward speak the same.
            """,
        subcommands: [TunnelServeCommand.self, TunnelForwardCommand.self, TunnelListCommand.self, TunnelCloseCommand.self])
}
