import ArgumentParser
import P2P

/// `p2p dht stats`.
struct DHTStatsCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Join the network, and show the table that comes of it.",
        discussion:
            "A table has a bucket for each number of first bits that a peer's place shares with this node's; the first has half of the network."
    )

    @OptionGroup var dht: DHTOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        try await DHTRun.execute(self.dht, self.node, console, tells: false) { run, _ in
            let started = ContinuousClock.now
            try await run.dht.waitForPeers()
            try await run.dht.refresh()
            let held = run.dht.statistics
            console.announce(held.object, held.text)
            run.summarize(messages: held.messages, hops: 0, in: ContinuousClock.now - started, found: held.peers)
        }
    }
}

extension KademliaStatistics {
    /// What a table holds, as an event.
    var object: JSONObject {
        [
            "event": "dht", "protocol": .string(self.protocolID), "server": .bool(self.isServer), "peers": .integer(self.peers),
            "buckets": .array(self.buckets.map { .integer($0) }), "table_bytes": .integer(self.tableBytes), "values": .integer(self.values),
            "value_bytes": .integer(self.valueBytes), "provided_keys": .integer(self.providedKeys), "providers": .integer(self.providers),
            "own_keys": .integer(self.ownKeys), "held_bytes": .integer(self.heldBytes),
            "answered": .integer(self.answered), "refused": .integer(self.refused),
            "network_size": self.networkSize.map { .integer($0) } ?? .null, "lookups": .integer(self.lookups),
            "messages": .integer(self.messages),
        ]
    }

    /// For people.
    var text: String {
        """
        \(self.protocolID), \(self.isServer ? "server" : "client"): \(self.peers) peers in \(self.buckets.count) buckets \
        (\(self.buckets.map(String.init).joined(separator: " "))), \(self.values) values, \(self.providers) providers of \
        \(self.providedKeys) keys, \(self.answered) requests answered, \(self.refused) refused
        """
    }
}
