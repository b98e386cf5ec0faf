import ArgumentParser
import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the process begins. Not asynchronous: that would start the runtime's threads, with their descriptors, before anything is secured.
@main
enum Main {
    static func main() {
        ProcessStart.secure()
        Task {
            await P2PCommand.main()
            exit(EXIT_SUCCESS)
        }
        dispatchMain()
    }
}

/// The tool `p2p`.
struct P2PCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "p2p",
        abstract: "A libp2p node, and the commands to try one.",
        discussion: """
            Two nodes on one machine:
              p2p key new --out node.key
              p2p daemon --key node.key --listen /ip4/127.0.0.1/tcp/4001
              p2p ping /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...

            With --json, every event is one JSON object on a line of its own on standard output. Errors go to standard \
            error and end the tool with 1 (with --json also as an event "error"); wrong usage ends it with 64.
            """,
        version: ToolVersion.withTraits,
        subcommands: [
            KeyCommand.self, DaemonCommand.self, PingCommand.self, EchoCommand.self, IdentifyCommand.self, PerfCommand.self,
            FetchCommand.self, DiscoverCommand.self, DHTCommand.self, RendezvousCommand.self, PeersCommand.self, ConnectionsCommand.self,
            ReachCommand.self,
            DoctorCommand.self, LimitsCommand.self, PolicyCommand.self, TunnelCommand.self, PipeCommand.self, SOCKSCommand.self,
            HTTPCommand.self,
            InteropCommand.self,
        ])
}
