import ArgumentParser
import P2P

/// `p2p dht get`.
struct DHTGetCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Find the value under a key.",
        discussion: "Each value that is better than those before is printed as it comes; the last one is the best.")

    @Argument(help: "A key such as /ipns/12D3Koo...", transform: DHTKey.parseForValue)
    var key: DHTKey

    @Option(help: ArgumentHelp("Valid values from so many peers suffice; 0 asks all that are near.", valueName: "number"))
    var quorum = 16

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let (key, quorum) = (self.key.bytes, max(0, self.quorum))
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace, key: self.key) { run, _ in
            _ = try await run.dht.value(for: key, quorum: quorum, onEvent: run.print)
        }
    }
}
