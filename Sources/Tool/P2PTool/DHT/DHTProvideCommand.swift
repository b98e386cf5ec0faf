import ArgumentParser
import P2P
import P2PMultiaddr

/// `p2p dht provide`.
struct DHTProvideCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "provide", abstract: "Tell the network that this node has something.",
        discussion: """
            What is told is who this node is and where it listens: with a --key and a --listen that a daemon has again later it leads there, \
            and without them nowhere once the command has ended. With --stay it runs on until it is \
            interrupted, and tells it again in time; without, it ends once it is told. With --optimistic it learns \
            how large the network is, by up to eight look-ups, then tells peers while it still looks for nearer ones, and goes on when fifteen of \
            twenty have taken note; the others are told while it stays. In a network of fewer than twenty servers that changes nothing.
              p2p dht provide bafkreih... --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --optimistic --stay
            """)

    @Argument(help: "A CID; or hex: and the bytes of another key.", transform: DHTKey.parse)
    var key: DHTKey

    @Flag(help: "Run on until interrupted.")
    var stay = false

    @Flag(help: "Learn how large the network is first, and tell peers that are probably the nearest before the look-up is over.")
    var optimistic = false

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

    /// Look-ups that say how large the network is, at most.
    private static let lookups: UInt8 = 8

    /// Looks places up until the table can tell who is probably one of the nearest; where a few servers are all there are, it never can.
    private static func learnSize(of dht: Kademlia) async throws {
        for number in 0..<Self.lookups where dht.statistics.networkSize == nil {
            guard try await dht.closestPeers(to: [number]).peers.count == dht.configuration.replication else { return }
        }
    }

    func execute(_ console: Console) async throws {
        let (key, stay, optimistic) = (self.key.bytes, self.stay, self.optimistic)
        let everywhere = ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"].compactMap { try? Multiaddr($0) }
        do {
            try await DHTRun.execute(
                self.dht, self.node, console, tells: self.trace, listen: self.listen.isEmpty ? everywhere : self.listen,
                adjust: { $0.isOptimistic = optimistic }
            ) { run, host in
                if optimistic { try await Self.learnSize(of: run.dht) }
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
