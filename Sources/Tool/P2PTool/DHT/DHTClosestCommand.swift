import ArgumentParser
import P2P

/// `p2p dht closest`.
struct DHTClosestCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "closest", abstract: "Find the peers nearest to a key: those that hold what is stored under it.")

    @Argument(help: "A peer's id, a CID, or another key.")
    var key: DHTKey

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let key = self.key.bytes
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace) { run, _ in
            _ = try await run.dht.closestPeers(to: key, onEvent: run.print)
        }
    }
}
