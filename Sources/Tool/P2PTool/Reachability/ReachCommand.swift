import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// `p2p reach`.
struct ReachCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "reach",
        abstract: "Say whether this node is reached from the internet, why not, and what to do.",
        discussion: """
            With --data it says what the daemon there knows. Otherwise it is a node for a while: it connects to the peers of --bootstrap, has those \
            that serve AutoNAT try its addresses, and asks the router, with --port-mapping. Ends with 0 once it knows, whatever it knows, and with 1 \
            when nobody could tell.
              p2p reach --data node --explain
              p2p reach --bootstrap /dns4/example.org/tcp/4001/p2p/12D3Koo... --listen /ip4/0.0.0.0/tcp/4001 --port-mapping --explain
            """)

    @Option(help: ArgumentHelp("The data directory of a daemon that runs.", valueName: "directory"))
    var data: String?

    @Flag(help: "Say what it means and what to do, and of each address who has tried it.")
    var explain = false

    @Option(
        help: ArgumentHelp("Where to listen; repeat it for several. (default: as a daemon)", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var listen: [Multiaddr] = []

    @Option(
        help: ArgumentHelp("A peer to ask, or to learn from where this node is seen; repeat it for several.", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var bootstrap: [Multiaddr] = []

    @Option(help: ArgumentHelp("Seconds after which it says what it knows by then.", valueName: "seconds"))
    var wait = Seconds(45)

    @OptionGroup var reachability: ReachabilityOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (self.data == nil) == !self.bootstrap.isEmpty else {
            throw ValidationError("Say either --data, for a daemon that runs, or --bootstrap, for peers to ask.")
        }
        if let address = self.bootstrap.first(where: { $0.peerID == nil }) {
            throw ValidationError("--bootstrap \(address) does not say which peer to expect: add /p2p/ and its id.")
        }
    }

    func execute(_ console: Console) async throws {
        if let data {
            let (object, text) = try DataDirectory(data).reachability()
            return try await console.print(console.speaksJSON ? object : self.explain ? text : Self.unexplained(text))
        }
        let watch = ReachabilityWatch()
        let listen = try self.listen.isEmpty ? DaemonCommand.everywhere(self.node) : self.listen
        let isConfined = try self.node.proxySetting()?.confines == true
        let reachability = try await NodeSession.run(
            self.node,
            adjust: { setup in
                setup.modules.append(watch)
                setup.modules += self.reachability.modules(listening: listen, isConfined: isConfined, for: setup)
            }
        ) { session in
            try await self.ask(session.host, watch, listen)
        }
        try await console.emit(reachability.report, reachability.text(explained: self.explain))
        guard reachability.state != .unknown else { throw ExitCode.failure }
    }

    /// The state, and the addresses without what is known of them besides.
    static func unexplained(_ text: String) -> String {
        text.split(separator: "\n").enumerated().filter { $0.offset == 0 || $0.element.hasPrefix("  ") }
            .map { line in line.element.prefix { $0 != "(" || line.offset == 0 } }.joined(separator: "\n")
    }

    private func ask(_ host: PeerHost, _ watch: ReachabilityWatch, _ listen: [Multiaddr]) async throws -> Reachability {
        _ = try await host.listen(on: listen)
        await host.waitUntilRunning()
        let deadline = host.clock.now().advanced(by: self.wait.duration)
        await withTaskGroup(of: Void.self) { group in
            for (number, address) in self.bootstrap.enumerated() {
                group.addTask { await self.meet(address, isStranger: number % 3 == 2, host) }
            }
        }
        guard !host.connections().isEmpty else { throw ToolError("noPeers", "none of the peers of --bootstrap was reached") }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Self.isComplete(watch.reachability) || watch.isTryingQUIC, !Task.isCancelled {
                    await host.clock.sleep(for: .milliseconds(200))
                }
            }
            group.addTask { await host.clock.sleep(deadline) }
            await group.next()
            group.cancelAll()
        }
        return watch.reachability
    }

    /// Connects to a server.
    ///
    /// - Parameter isStranger: whether a port that listens with QUIC stays unknown to it. Over TCP the host sees to that by itself.
    private func meet(_ address: Multiaddr, isStranger: Bool, _ host: PeerHost) async {
        let timeout = self.node.timeout.duration
        if isStranger, address.udpEndpoint != nil, address.ipAddress?.isIPv4 == true, let peer = address.peerID,
            let local = try? Multiaddr("/ip4/0.0.0.0/udp/\(UInt16.random(in: 49_152...65_535))/quic-v1"),
            (try? await host.connect(to: peer, DialRequest(addresses: [address], timeout: timeout, localAddress: local))) != nil
        {
            return
        }
        _ = try? await host.connect(to: address, timeout: timeout)
    }

    /// Whether there is nothing to wait for: every address that anybody has tried has a verdict.
    static func isComplete(_ reachability: Reachability) -> Bool {
        reachability.state != .unknown && reachability.addresses.allSatisfy { $0.verdict != .unknown || $0.source == .relayed }
    }
}
