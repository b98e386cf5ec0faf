import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// One question to a table: what a `p2p dht` command does while its node runs.
struct DHTRun: Sendable {
    let dht: Kademlia
    let console: Console
    /// Whether each step is printed, too.
    let tells: Bool
    private let progress: DHTProgress

    private init(_ dht: Kademlia, _ console: Console, tells: Bool) {
        (self.dht, self.console, self.tells) = (dht, console, tells)
        // What comes as it goes on would stand in the middle of the line.
        self.progress = DHTProgress(isVisible: StandardError.isTerminal && !console.speaksJSON && !tells)
    }

    /// Runs a node that is a member of the network, and asks.
    static func execute(
        _ options: DHTOptions, _ node: NodeOptions, _ console: Console, tells: Bool, key: DHTKey? = nil, listen: [Multiaddr] = [],
        adjust: (inout KademliaConfiguration) -> Void = { _ in }, _ body: @escaping @Sendable (DHTRun, PeerHost) async throws -> Void
    ) async throws {
        guard !options.bootstrap.isEmpty else {
            throw ToolError("noPeers", "a network is entered by one of its members: name one with --bootstrap")
        }
        var configuration = options.configuration(for: key)
        adjust(&configuration)
        let dht = Kademlia(configuration)
        let run = DHTRun(dht, console, tells: tells)
        defer { run.progress.end() }
        try await NodeSession.run(node, listensFirst: true, adjust: { $0.modules.append(dht) }) { session in
            if !listen.isEmpty { _ = try await session.host.listen(on: listen) }
            session.begin()
            await session.host.waitUntilRunning()
            try await body(run, session.host)
        }
    }

    /// Prints what happens.
    func print(_ event: KademliaEvent) {
        self.progress.note(event)
        switch event {
        case .found(let contact):
            self.console.announce(contact.object("found"), contact.text("found"))
        case .provider(let contact):
            self.console.announce(contact.object("provider"), contact.text("provider"))
        case .value(let value, let peer):
            self.console.announce(
                ["event": "value", "value": .string(Base64.encode(value)), "from": .text(peer)],
                "value from \(peer): \(Self.text(of: value))")
        case .stored(let peer):
            self.console.announce(["event": "stored", "peer": .text(peer)], "stored by \(peer)")
        case .finished(let summary):
            self.summarize(messages: summary.messages, hops: summary.hops, in: summary.duration, found: summary.found)
        case .crowded(let part):
            self.console.announce(
                ["event": "crowded", "part": .rounded(part, 4)],
                "peers crowd around this key: the nearest lie within \(Int(part * 100)) % of the distance that is expected")
        case .asked(let peer, let hop):
            guard self.tells else { return }
            self.console.announce(["event": "asked", "peer": .text(peer), "hop": .integer(hop)], "asked \(peer), hop \(hop)")
        case .answered(let peer, let new):
            guard self.tells else { return }
            self.console.announce(
                ["event": "answered", "peer": .text(peer), "new": .integer(new)], "answered by \(peer), \(new) new peers")
        case .failed(let peer, let reason):
            guard self.tells else { return }
            self.console.announce(
                ["event": "failed", "peer": .text(peer), "message": .string(reason)], "failed \(peer): \(PeerText(reason))")
        case .refused(let peer, let reason):
            guard self.tells else { return }
            self.console.announce(
                ["event": "refused", "peer": .text(peer), "message": .string(reason)], "refused by \(peer): \(PeerText(reason))")
        }
    }

    /// Prints what it cost.
    func summarize(messages: Int, hops: Int, in duration: Duration, found: Int) {
        self.console.announce(
            [
                "event": "summary", "messages": .integer(messages), "hops": .integer(hops), "ms": .milliseconds(duration),
                "found": .integer(found),
            ],
            "\(found) found with \(messages) messages over \(hops) hops in \(Milliseconds(duration)) ms")
    }

    /// A value for people: as text where it is some.
    static func text(of value: [UInt8]) -> String {
        guard let text = String(validating: value, as: UTF8.self), !text.unicodeScalars.contains(where: \.isUnprintable) else {
            return "\(value.count) bytes, base64 \(Base64.encode(value))"
        }
        return PeerText(text, limit: 4_096).description
    }
}

extension KademliaContact {
    fileprivate func object(_ event: String) -> JSONObject {
        ["event": .string(event), "peer": .text(self.peer), "addresses": .array(self.addresses.map { .text($0.withPeerID(self.peer)) })]
    }

    fileprivate func text(_ event: String) -> String {
        "\(event) \(self.peer)" + self.addresses.map { "\n  \(PeerText($0.withPeerID(self.peer)))" }.joined()
    }
}
