import ArgumentParser
import P2P
import P2PCore

/// `p2p identify`.
struct IdentifyCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "identify",
        abstract: "Ask a peer who it is and what it serves.",
        discussion: """
              p2p identify /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...
              p2p identify /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --json
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let target = self.target
        let (connection, introduction) = try await NodeSession.run(self.node) { session in
            let connection = try await session.connect(target)
            return (connection, try await Identify.ask(connection))
        }
        try await console.emit(
            [
                "peer": .text(connection.remotePeer), "agent": .string(introduction.agentVersion),
                "protocol_version": .string(introduction.protocolVersion),
                "protocols": .array(introduction.protocols.map(JSONValue.text)),
                "addresses": .array(introduction.listenAddresses.map(JSONValue.text)),
                "observed": introduction.observedAddress.map(JSONValue.text) ?? .null,
                "signed_record": .bool(introduction.signedRecord != nil),
            ],
            Self.text(introduction, connection))
    }

    private static func text(_ introduction: Introduction, _ connection: PeerConnection) -> String {
        func list(_ title: String, _ items: [some CustomStringConvertible]) -> [String] {
            [title] + items.map { "  \(PeerText($0))" }
        }
        let lines =
            [
                "peer           \(connection.remotePeer)", "agent          \(PeerText(introduction.agentVersion))",
                "sees us at     \(introduction.observedAddress.map { PeerText($0).description } ?? "unknown")",
                "signed record  \(introduction.signedRecord == nil ? "no" : "yes")",
            ] + list("protocols", introduction.protocols) + list("addresses", introduction.listenAddresses)
        return lines.joined(separator: "\n")
    }
}
