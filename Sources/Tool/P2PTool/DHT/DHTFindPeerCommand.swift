import ArgumentParser
import P2P
import P2PIdentity

/// `p2p dht find-peer`.
struct DHTFindPeerCommand: ToolCommand {
    static let configuration = CommandConfiguration(commandName: "find-peer", abstract: "Find where a peer is, by its id alone.")

    @Argument(help: "The peer's id.", transform: { try PeerID(string: $0) })
    var peer: PeerID

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let peer = self.peer
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace) { run, _ in
            _ = try await run.dht.findPeer(peer, onEvent: run.print)
        }
    }
}
