import ArgumentParser
import Logging
import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// `p2p discover`.
struct DiscoverCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "discover",
        abstract: "List the peers on the local network as they appear.",
        discussion: """
            Listens to what nodes tell by multicast DNS, and asks for it, without announcing anything. Runs until the time is up, SIGTERM or \
            SIGINT, and ends with 0.
              p2p discover --timeout 5
              p2p discover --mdns-interface eth0 --json
            """)

    @Option(help: ArgumentHelp("Seconds to listen; without, until interrupted.", valueName: "seconds"))
    var timeout: Seconds?

    @Option(help: ArgumentHelp("The only network interface to use; repeat it for several. (default: all)", valueName: "name"))
    var mdnsInterface: [String] = []

    @Option(help: ArgumentHelp("The name of the service to look for. (default: _p2p)", valueName: "label"))
    var mdnsService: String?

    @OptionGroup var output: OutputOptions

    func validate() throws { try DiscoveryOptions.check(service: self.mdnsService) }

    private var configuration: MDNSConfiguration {
        MDNSConfiguration(interfaces: Set(self.mdnsInterface), serviceName: self.mdnsService)
    }

    func execute(_ console: Console) async throws {
        let signals = try await NodeSession.start()
        let discovery = MDNSDiscovery(peer: nil, configuration: self.configuration)
        let timeout = self.timeout?.duration
        let seen = SeenPeers()
        let result = await NodeSession.untilTerminated(signals, shuttingDown: nil) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await discovery.run(announcing: { [] }) { found in
                        guard seen.isNews(found) else { return }
                        console.announce(.discovered(found), found.text)
                    }
                }
                if let timeout { group.addTask { try await Task.sleep(for: timeout) } }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        // An interruption is the ordinary end.
        do {
            try result.get()
        } catch is Interruption {
            return
        }
    }
}

extension JSONObject {
    /// The event for a peer that was found.
    static func discovered(_ found: DiscoveredPeer) -> JSONObject {
        [
            "event": "discovered", "peer": .text(found.peer),
            "addresses": .array(found.addresses.map { .text($0.withPeerID(found.peer)) }),
        ]
    }
}

extension DiscoveredPeer {
    /// For people.
    var text: String {
        "discovered \(self.peer)" + self.addresses.map { "\n  \(PeerText($0.withPeerID(self.peer)))" }.joined()
    }
}
