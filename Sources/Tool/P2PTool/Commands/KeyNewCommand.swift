import ArgumentParser
import P2PIdentity

/// `p2p key new`.
struct KeyNewCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Make a key.",
        discussion: """
            With --out the key goes to a file that only its owner may read, and that must not exist yet; the peer id goes to \
            standard output. Without, the key itself is printed, in the Base64 that Kubo's configuration uses.
              p2p key new --out node.key
              p2p key new --type secp256k1 --out node.key --json
            """)

    @Option(help: "The kind of key: \(KeyChoice.names).")
    var type = KeyChoice.ed25519

    @Option(help: ArgumentHelp("Where to keep the key.", valueName: "file"))
    var out: String?

    @ParentCommand var key: KeyCommand
    @OptionGroup var ownOutput: OutputOptions
    var output: OutputOptions { self.ownOutput.completed(by: self.key.output) }

    func execute(_ console: Console) async throws {
        let key = try PrivateKey.generate(self.type.keyType)
        var event = KeyShowCommand.event(for: key)
        guard let path = self.out else {
            let encoded = Base64.encode(key.protobufEncoded)
            event.append("private_key", .string(encoded))
            return try await console.emit(event, encoded)
        }
        try KeyFile.write(key, to: path, noting: KeyNote.log)
        event.append("file", .string(path))
        try await console.emit(event, PeerID(key.publicKey).description)
    }
}

/// The kinds of keys as the command line names them.
enum KeyChoice: String, ExpressibleByArgument, CaseIterable {
    case ed25519, secp256k1, ecdsa, rsa

    static let names = Self.allCases.map(\.rawValue).joined(separator: ", ")

    var keyType: KeyType {
        switch self {
        case .ed25519: .ed25519
        case .secp256k1: .secp256k1
        case .ecdsa: .ecdsa
        case .rsa: .rsa
        }
    }
}
