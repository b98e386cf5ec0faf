import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p rendezvous discover`.
struct RendezvousDiscoverCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "discover", abstract: "Find who has registered under a name.",
        discussion: """
            Ends with 0 only if somebody has. With --follow it runs on until it is interrupted, also while the rendezvous point is away, and \
            prints whoever is new.
            """)

    @Argument(help: "The name; without, everybody is listed.")
    var namespace: String?

    @OptionGroup var point: RendezvousPointOptions

    @Option(help: ArgumentHelp("How many suffice, at least 1. (default: as many as there are)", valueName: "number"))
    var limit: Int?

    @Flag(help: "Run on until interrupted.")
    var follow = false

    @Option(help: ArgumentHelp("With --follow, seconds from one look to the next.", valueName: "seconds"))
    var interval = Seconds(10)

    @OptionGroup var meeting: MeetingOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let limit = self.limit, limit < 1 { throw ValidationError("--limit is at least 1; leave it out for as many as there are.") }
    }

    func execute(_ console: Console) async throws {
        do {
            let found = try await NodeSession.run(self.node) { session -> Int? in
                try await self.meeting.meet(session)
                guard self.follow else { return try await self.look(session, console) }
                try await self.goOn(session, console)
                return nil
            }
            guard let found else { return }
            console.announce(["event": "summary", "found": .integer(found)], "\(found) found")
            if found == 0 { throw ToolError("notFound", "nobody has registered there") }
        } catch is Interruption where self.follow {
            // The ordinary end.
            return
        } catch {
            throw self.point.explained(error)
        }
    }

    /// Prints who has registered.
    ///
    /// - Returns: how many.
    private func look(_ session: NodeSession, _ console: Console) async throws -> Int {
        let connection = try await session.connect(to: self.point.at)
        var (found, cookie, round) = (0, [UInt8](), Rendezvous.Round())
        while true {
            let page = try await Rendezvous.discover(self.namespace, limit: self.limit, after: cookie, on: connection)
            for registration in page.registrations { self.print(registration, console) }
            found += page.registrations.count
            let goesOn = round.goesOn(page.registrations.map(\.peer.peer), isCookieNew: page.cookie != cookie)
            guard self.limit == nil, goesOn else { return found }
            cookie = page.cookie
        }
    }

    /// Prints who has registered, and then whoever is new, until the task is cancelled.
    ///
    /// - Throws: when the first look fails; later ones are made again.
    private func goOn(_ session: NodeSession, _ console: Console) async throws {
        var outage = RendezvousOutage(self.point, console)
        var seen = SeenRegistrations()
        var cookie: [UInt8] = []
        var isFirst = true
        while !Task.isCancelled {
            do {
                let connection = try await session.connect(to: self.point.at)
                let page = try await Rendezvous.discover(self.namespace, limit: self.limit, after: cookie, on: connection)
                isFirst = false
                outage.end()
                for found in page.registrations where seen.insert(found.peer, under: found.namespace) { self.print(found, console) }
                cookie = page.cookie
                try? await Task.sleep(for: self.interval.duration)
            } catch {
                guard !Task.isCancelled else { return }
                guard !isFirst else { throw error }
                // The point may have begun anew, and know none of its old cookies.
                let wasCookie = !cookie.isEmpty
                cookie = []
                if !wasCookie || error is DialError { await outage.wait(after: error) }
            }
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
