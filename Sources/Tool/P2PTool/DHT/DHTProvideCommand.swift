import ArgumentParser
import P2P
import P2PMultiaddr

/// `p2p dht provide`.
struct DHTProvideCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "provide", abstract: "Tell the network that this node has something.",
        discussion: """
            What is told is who this node is and where it listens, so give it a --key that it has again later. With --stay it runs on until it is \
            interrupted, and tells it again in time; without, it ends once it is told.
            """)

    @Argument(help: "A CID, or another key.")
    var key: DHTKey

    @Flag(help: "Run on until interrupted.")
    var stay = false

    @Option(
        help: ArgumentHelp(
            "Where to listen; repeat it for several. (default: every interface, at ports that the system chooses)", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var listen: [Multiaddr] = []

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let (key, stay) = (self.key.bytes, self.stay)
        let everywhere = ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"].compactMap { try? Multiaddr($0) }
        do {
            try await DHTRun.execute(
                self.dht, self.node, console, tells: self.trace, listen: self.listen.isEmpty ? everywhere : self.listen
            ) { run, host in
                _ = try await run.dht.provide(key, onEvent: run.print)
                guard stay else { return }
                for await _ in host.events() {}
                try Task.checkCancellation()
            }
        } catch is Interruption where stay {
            // The ordinary end.
            return
        }
    }
}
