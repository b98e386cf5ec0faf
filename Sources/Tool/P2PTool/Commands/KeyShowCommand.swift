import ArgumentParser
import P2PIdentity

/// `p2p key show`.
struct KeyShowCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the peer id of a key.",
        discussion: """
              p2p key show node.key
              p2p key show node.key --json
            """)

    @Argument(help: "A key file, as `p2p key new` makes it.")
    var file: String

    @ParentCommand var key: KeyCommand
    @OptionGroup var ownOutput: OutputOptions
    var output: OutputOptions { self.ownOutput.completed(by: self.key.output) }

    func execute(_ console: Console) async throws {
        let key = try KeyFile.read(self.file, noting: KeyNote.log)
        try await console.emit(Self.event(for: key), PeerID(key.publicKey).description)
    }

    static func event(for key: PrivateKey) -> JSONObject {
        ["event": "key", "peer": .text(PeerID(key.publicKey)), "type": .text(key.type)]
    }
}
