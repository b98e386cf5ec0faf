import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p peers`.
struct PeersCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers",
        abstract: "List the peers that a node's data directory remembers.",
        discussion: """
            The one last heard of comes first. The node may run meanwhile. last_seen is when a connection last began or ended, in \
            seconds since 1970; null for a peer that was merely heard of.
              p2p peers --data node
              p2p peers --data node --json
            """)

    @Option(help: ArgumentHelp("The directory that `p2p daemon --data` uses.", valueName: "directory"))
    var data: String

    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let store = try DataDirectory(self.data).peerstore(isReadOnly: true)
        defer { store.close() }
        // Many lines at once: to hand each over by itself would take longer than to make it.
        var lines: [String] = []
        for stored in try await store.contents(isVerified: false) {
            lines.append(console.speaksJSON ? JSONObject.stored(stored).description : Self.text(stored))
            guard lines.count >= Self.linesAtOnce else { continue }
            try await console.print(lines.joined(separator: "\n"))
            lines = []
        }
        if !lines.isEmpty { try await console.print(lines.joined(separator: "\n")) }
    }

    private static let linesAtOnce = 64

    private static func text(_ stored: StoredPeer) -> String {
        let agent = stored.introduction?.agentVersion ?? ""
        return
            (["\(stored.peer)" + (agent.isEmpty ? "" : "  \(PeerText(agent))") + (stored.lastSeen == nil ? "  never seen" : "")]
            + stored.addresses.map { "  \(PeerText($0.address))  \($0.source.rawValue)" }).joined(separator: "\n")
    }
}

extension JSONObject {
    /// The address with the peer's id, which has been written already.
    private static func text(_ address: Multiaddr, of peer: String) -> String {
        // A path takes up all that follows it.
        let text = address.description
        return text.contains("/unix/") ? text : text + "/p2p/" + peer
    }

    /// A peer that is remembered.
    fileprivate static func stored(_ stored: StoredPeer) -> JSONObject {
        let peer = stored.peer.description
        return [
            "event": "peer", "peer": .string(peer), "agent": .string(stored.introduction?.agentVersion ?? ""),
            "protocols": .array(stored.introduction?.protocols.map { .text($0) } ?? []),
            "last_seen": stored.lastSeen.map { .integer(Int($0)) } ?? .null,
            "certified": .bool(stored.introduction?.signedRecord != nil),
            "addresses": .array(stored.addresses.map { .string(Self.text($0.address, of: peer)) }),
            "sources": .array(stored.addresses.map { .string($0.source.rawValue) }),
        ]
    }
}
