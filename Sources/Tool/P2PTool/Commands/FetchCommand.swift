import ArgumentParser
import P2P
import P2PCore

/// `p2p fetch`.
struct FetchCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Ask a peer for the value under a key.",
        discussion: """
            Asks that peer alone, once (/libp2p/fetch/0.0.1). Ends with 0 only if it has a value; "notFound" says that it has none, "fetchFailed" that it \
            can't tell. Who answers are nodes of applications that serve values with the library's Fetch; no command of this tool serves \
            any.
              p2p fetch /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... /ipns/12D3Koo...
            """)

    @OptionGroup var target: TargetOptions

    @Argument(help: "/ipns/ or /pk/ and a peer's id, which is sent in binary; hex: and bytes; or a text as it is.", transform: Self.key)
    var key: [UInt8]

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    private static func key(_ text: String) throws -> [UInt8] {
        let isSpecial = ["/pk/", "/ipns/", "hex:"].contains { text.hasPrefix($0) }
        if isSpecial, let key = DHTKey(argument: text) { return key.bytes }
        guard !text.isEmpty, !text.hasPrefix("hex:") else { throw ValidationError("\(text) is no key.") }
        return Array(text.utf8)
    }

    func execute(_ console: Console) async throws {
        let (key, target) = (self.key, self.target)
        let (peer, value) = try await NodeSession.run(self.node) { session in
            let connection = try await session.connect(target)
            return (connection.remotePeer, try await Fetch.value(for: key, from: connection.remotePeer, through: session.host))
        }
        guard let value else { throw ToolError("notFound", "the peer has no value under that key") }
        try await console.emit(
            ["event": "value", "value": .string(Base64.encode(value)), "from": .text(peer)], "value from \(peer): \(DHTRun.text(of: value))"
        )
    }
}
