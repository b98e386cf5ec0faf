import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p rendezvous register`.
struct RendezvousRegisterCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Be found under a name.",
        discussion: """
            What is registered is who this node is and where it listens. With --stay it runs on until it is interrupted, registers again in \
            time, also after the rendezvous point was away, and takes it back at the end. Without, it ends once it has registered, and what it \
            registered leads nowhere unless a node with the same --key then listens there: so give it that --key, and a --listen with a fixed \
            port.
              p2p rendezvous register my-game --at /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... --stay
              p2p rendezvous register my-game --at /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... --key node.key --listen /ip4/0.0.0.0/tcp/4002
            """)

    /// How long the end may take for taking back what was registered.
    private static let lastWords = Duration.seconds(2)

    @Argument(help: "The name.")
    var namespace: String

    @OptionGroup var point: RendezvousPointOptions

    @Option(
        help: ArgumentHelp("Seconds for which it holds. (default: as the rendezvous point has it, usually two hours)", valueName: "seconds")
    )
    var ttl: Seconds?

    @Flag(help: "Run on until interrupted.")
    var stay = false

    @Option(
        help: ArgumentHelp(
            "Where to listen; repeat it for several. (default: every interface, at ports that the system chooses)", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var listen: [Multiaddr] = []

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let everywhere = ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"].compactMap { try? Multiaddr($0) }
        let listen = self.listen.isEmpty ? everywhere : self.listen
        do {
            try await NodeSession.run(self.node, lastWords: self.stay ? Self.lastWords : .zero) { session -> Void in
                _ = try await session.host.listen(on: listen)
                guard self.stay else {
                    let registered = try await self.register(session)
                    return try await console.emit(registered.event, registered.text)
                }
                try await self.keepRegistered(session, console)
                await self.takeBack(session, console)
            }
        } catch is Interruption where self.stay {
            // The ordinary end, before anything was registered.
            return
        } catch {
            throw self.point.explained(error)
        }
    }

    /// What the rendezvous point has granted.
    private struct Registered {
        let time: Duration
        let event: JSONObject
        let text: String
    }

    private func register(_ session: NodeSession) async throws -> Registered {
        let connection = try await session.connect(to: self.point.at)
        let granted = try await Rendezvous.register(self.namespace, for: self.ttl?.duration, on: connection)
        return Registered(
            time: granted,
            event: [
                "event": "registered", "namespace": .string(self.namespace), "peer": .text(session.host.peerID),
                "at": .text(connection.remotePeer), "ttl_s": .seconds(granted),
            ],
            text: "registered as \(PeerText(self.namespace)) at \(connection.remotePeer) for \(granted.components.seconds) s")
    }

    /// Registers, and again in time, until the task is cancelled.
    ///
    /// - Throws: when the first attempt fails; later ones are made again. Also when nothing was asked for before the end.
    private func keepRegistered(_ session: NodeSession, _ console: Console) async throws {
        var outage = RendezvousOutage(self.point, console)
        var isFirst = true
        while !Task.isCancelled {
            do {
                let registered = try await self.register(session)
                isFirst = false
                outage.end()
                console.announce(registered.event, registered.text)
                try? await Task.sleep(for: Rendezvous.renewal(of: registered.time))
            } catch {
                // Where the answer came no more, the question may have arrived.
                let mayBeRegistered = !isFirst || !(error is DialError)
                if Task.isCancelled, mayBeRegistered { return }
                guard !isFirst else { throw error }
                await outage.wait(after: error)
            }
        }
    }

    /// Takes back what was registered, in a task of its own: the one that asks is cancelled.
    private func takeBack(_ session: NodeSession, _ console: Console) async {
        await Task {
            do {
                let connection = try await session.connect(to: self.point.at)
                try await Rendezvous.unregister(self.namespace, on: connection)
                console.announce(
                    ["event": "unregistered", "namespace": .string(self.namespace), "at": .text(connection.remotePeer)],
                    "no longer registered as \(PeerText(self.namespace)) at \(connection.remotePeer)")
            } catch {
                RendezvousOutage(self.point, console).tellOfRemains(error)
            }
        }.value
    }
}
