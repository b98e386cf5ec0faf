import ArgumentParser
import P2P
import P2PIdentity

/// `p2p dht find-peer`.
struct DHTFindPeerCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "find-peer", abstract: "Find where a peer is, by its id alone.",
        discussion: "It was there when the members that say so last heard of it; p2p ping shows whether it is.")

    @Argument(help: "The peer's id.", transform: Self.peer)
    var peer: PeerID

    @OptionGroup var dht: DHTOptions
    @Flag(help: "Print each step.")
    var trace = false
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    private static func peer(_ text: String) throws -> PeerID {
        guard let peer = PeerID(text) else {
            throw ValidationError("a peer's id begins with 12D3Koo, 16Uiu2, Qm or bafz; of an address it is what stands behind /p2p/.")
        }
        return peer
    }

    func execute(_ console: Console) async throws {
        let peer = self.peer
        try await DHTRun.execute(self.dht, self.node, console, tells: self.trace) { run, _ in
            _ = try await run.dht.findPeer(peer, onEvent: run.print)
        }
    }
}
