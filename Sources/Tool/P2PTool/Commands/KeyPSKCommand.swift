import ArgumentParser
import P2P

/// `p2p key psk`.
struct KeyPSKCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "psk",
        abstract: "Make the key of a private network, or show which network a key file belongs to.",
        discussion: """
            With --out the key goes to a file that only its owner may read, and that must not exist yet; the network's fingerprint \
            goes to standard output. Without, the content of such a file is printed. Give every member the same file, for --psk.
              p2p key psk --out swarm.key
              p2p daemon --psk swarm.key
              p2p key psk --show swarm.key
            """)

    @Option(help: ArgumentHelp("Where to keep the key.", valueName: "file"))
    var out: String?

    @Option(help: "How the file writes the key: \(PSKEncoding.names).")
    var encoding = PSKEncoding.base16

    @Option(help: ArgumentHelp("Make nothing, but print the fingerprint of the key in this file.", valueName: "file"))
    var show: String?

    @ParentCommand var key: KeyCommand
    @OptionGroup var ownOutput: OutputOptions
    var output: OutputOptions { self.ownOutput.completed(by: self.key.output) }

    func validate() throws {
        guard self.show == nil || self.out == nil else { throw ValidationError("--show makes no key, so there is nothing for --out.") }
        guard self.out != nil || self.encoding != .bin else { throw ValidationError("--encoding bin is not text: it needs --out.") }
    }

    func execute(_ console: Console) async throws {
        if let path = self.show {
            let fingerprint = try PreSharedKeyFile.read(path, noting: KeyNote.log).fingerprint()
            return try await console.emit(Self.event(fingerprint), fingerprint)
        }
        let key = PreSharedKey.generate()
        let fingerprint = try key.fingerprint()
        var event = Self.event(fingerprint)
        guard let path = self.out else {
            let content = String(decoding: PreSharedKeyFile.encode(key, as: self.encoding.encoding), as: UTF8.self)
            event.append("content", .string(content))
            return try await console.emit(event, String(content.dropLast()))
        }
        try PreSharedKeyFile.write(key, to: path, as: self.encoding.encoding, noting: KeyNote.log)
        event.append("file", .string(path))
        try await console.emit(event, fingerprint)
    }

    private static func event(_ fingerprint: String) -> JSONObject {
        ["event": "psk", "fingerprint": .string(fingerprint)]
    }
}

/// The encodings of a private network's key as the command line names them.
enum PSKEncoding: String, ExpressibleByArgument, CaseIterable {
    case base16, base64, bin

    static let names = Self.allCases.map(\.rawValue).joined(separator: ", ")

    var encoding: PreSharedKeyFile.Encoding {
        switch self {
        case .base16: .base16
        case .base64: .base64
        case .bin: .bin
        }
    }
}
