import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p rendezvous discover`.
struct RendezvousDiscoverCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "discover", abstract: "Find who has registered under a name.",
        discussion: "Ends with 0 only if somebody has. With --follow it runs on until it is interrupted, and prints whoever is new.")

    @Argument(help: "The name; without, everybody is listed.")
    var namespace: String?

    @OptionGroup var point: RendezvousPointOptions

    @Option(help: ArgumentHelp("How many suffice.", valueName: "number"))
    var limit: Int?

    @Flag(help: "Run on until interrupted.")
    var follow = false

    @Option(help: ArgumentHelp("With --follow, seconds from one look to the next.", valueName: "seconds"))
    var interval = Seconds(10)

    @OptionGroup var meeting: MeetingOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        do {
            let found = try await NodeSession.run(self.node) { session in
                try await self.meeting.meet(session)
                let connection = try await session.connect(to: self.point.at)
                var (found, cookie): (Int, [UInt8]) = (0, [])
                while true {
                    let page = try await Rendezvous.discover(self.namespace, limit: self.limit, after: cookie, on: connection)
                    for registration in page.registrations { self.print(registration, console) }
                    found += page.registrations.count
                    guard self.follow else { return found }
                    cookie = page.cookie
                    try await Task.sleep(for: self.interval.duration)
                }
            }
            console.announce(["event": "summary", "found": .integer(found)], "\(found) found")
            if found == 0 { throw ToolError("notFound", "nobody has registered there") }
        } catch is Interruption where self.follow {
            // The ordinary end.
            return
        }
    }

    private func print(_ registration: Rendezvous.Registration, _ console: Console) {
        let peer = registration.peer
        console.announce(
            [
                "event": "registration", "namespace": .string(registration.namespace), "peer": .text(peer.peer),
                "addresses": .array(peer.addresses.map { .text($0.withPeerID(peer.peer)) }), "ttl_s": .seconds(peer.timeToLive),
            ],
            "\(PeerText(registration.namespace)): \(peer.peer)"
                + peer.addresses.map { "\n  \(PeerText($0.withPeerID(peer.peer)))" }.joined())
    }
}
