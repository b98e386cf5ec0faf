import ArgumentParser
import P2P

/// `p2p dht find-providers`.
struct DHTFindProvidersCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "find-providers", abstract: "Find who has something.",
        discussion: "Whoever is named may be named in vain. With --count they are dialled: the search ends when so many were met.")

    @Argument(help: "A CID; or hex: and the bytes of another key.", transform: DHTKey.parse)
    var key: DHTKey

    @Option(help: ArgumentHelp("How many suffice that two peers have named and that are met. (default: all)", valueName: "number"))
    var count: Int?

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let (key, count) = (self.key.bytes, self.count)
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace) { run, _ in
            _ = try await run.dht.findProviders(of: key, count: count, onEvent: run.print)
        }
    }
}
