import ArgumentParser
import Logging
import P2P
import P2PMultiaddr

/// `p2p daemon`.
struct DaemonCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon",
        abstract: "Run a node that serves identify, ping, echo and perf.",
        discussion: """
            Runs until SIGTERM or SIGINT, then says goodbye to every peer and ends with 0. SIGUSR1 prints a snapshot of what the \
            node holds; SIGHUP has the file of --policy read again, closes what it grants no longer, and keeps the old rules where it is wrong. What nobody reads in time is lost and counted, and holds up nothing.
            Without --listen it listens on every interface, by IPv4 and IPv6, over TCP and QUIC, at ports that the system chooses: \
            whoever reaches this machine can connect. A family that this machine has not got is left out.
              p2p daemon --key node.key --listen /ip4/0.0.0.0/tcp/4001
              p2p daemon --listen /ip4/0.0.0.0/tcp/4001 --listen /ip4/0.0.0.0/udp/4001/quic-v1
              p2p daemon --listen /ip4/127.0.0.1/tcp/4001 --listen /ip6/::1/tcp/4001
              p2p daemon --listen /ip4/0.0.0.0/tcp/8080/ws
              p2p daemon --listen /ip4/0.0.0.0/tcp/443/tls/ws --tls-cert chain.pem --tls-key key.pem
              p2p daemon --listen /ip4/0.0.0.0/tcp/4001 --share-port --web-echo /echo
              p2p daemon --listen /ip4/127.0.0.1/tcp/0 --json
              p2p daemon --data node
              p2p daemon --listen /ip4/0.0.0.0/tcp/8080/ws --trusted-proxy 10.0.0.0/24 --limit connectionsPerAddress=1000
              p2p daemon --policy rules --listen /ip4/0.0.0.0/tcp/4001
              p2p daemon --metrics 127.0.0.1:9464 --listen /ip4/0.0.0.0/tcp/4001
              p2p daemon --dht server --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...
              p2p daemon --mdns --mdns-interface lo --listen /ip4/127.0.0.1/tcp/0
              p2p daemon --relay-service --listen /ip4/0.0.0.0/tcp/4001
              p2p daemon --relay /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo...
            """)

    @Option(help: ArgumentHelp("Where to listen; repeat it for several.", valueName: "multiaddr"), transform: TargetOptions.parse)
    var listen: [Multiaddr] = []

    @Option(
        help: ArgumentHelp(
            """
            A directory for what must outlast the node: its key, unless --key names one, and the peers that it has met, to which it connects \
            again. Made if it is not there. (default: a key for this run only, and peers in memory)
            """, valueName: "directory"))
    var data: String?

    @OptionGroup var discovery: DiscoveryOptions
    @OptionGroup var reachability: ReachabilityOptions

    @OptionGroup var dht: DHTServiceOptions

    @Flag(help: "Be a rendezvous point: peers register here under names, and others find them.")
    var rendezvous = false

    @Flag(help: "Serve WebSockets, and secure ones with --tls-cert, on the ports of TCP as well; what is not a peer gets 404.")
    var sharePort = false

    @Option(
        help: ArgumentHelp(
            "On the ports of WebSockets, echo the bytes of those that web pages open at this path, such as /echo.", valueName: "path"))
    var webEcho: String?

    @OptionGroup var metrics: MetricsOptions
    @OptionGroup var relaying: RelayOptions
    @Option(
        help: ArgumentHelp(
            "A file of tunnels to serve and to forward, one a line: serve /x/NAME TARGET, forward LISTEN PEER-ADDRESS /x/NAME.",
            valueName: "file"))
    var tunnels: String?

    @OptionGroup var gateway: GatewayOptions
    @OptionGroup var arrivals: ArrivalOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let path = self.webEcho, !path.hasPrefix("/") || path.contains("?") {
            throw ValidationError("--web-echo names a path as requests do: it begins with a slash and has no question mark.")
        }
    }

    /// Every interface, over what is built in and allowed; a family that this host has not got is left out.
    static func everywhere(_ node: NodeOptions) throws -> [Multiaddr] {
        let hasQUIC = try QUICTransport.isBuiltIn && node.psk == nil && node.proxySetting()?.confines != true
        return ["/ip4/0.0.0.0", "/ip6/::"].flatMap { host in
            (["/tcp/0"] + (hasQUIC ? ["/udp/0/quic-v1"] : [])).compactMap { try? Multiaddr(host + $0) }
        }
    }

    func execute(_ console: Console) async throws { try await self.execute(console, TunnelPlan()) }

    /// - Parameter tunnels: what the node serves and forwards.
    func execute(_ console: Console, _ tunnels: TunnelPlan) async throws {
        var tunnels = TunnelPlan(gateway: try self.gateway.plan()).adding(tunnels)
        if let path = self.tunnels { tunnels = try TunnelFile.read(path).adding(tunnels) }
        let plan = tunnels
        try DescriptorSupply.prepareForNode()
        let listen = try (self.listen.isEmpty ? Self.everywhere(self.node) : self.listen) + self.relaying.places()
        let directory = self.data.map(DataDirectory.init)
        let lock = try directory?.take()
        let peerstore = try directory?.peerstore()
        let archive = try self.dht.archive(in: directory)
        defer {
            directory?.reachFile.remove()
            peerstore?.close()
            archive?.close()
            withExtendedLifetime(lock) {}
        }
        let metrics = NodeMetrics(self.metrics)
        let identity = try self.node.key == nil ? directory?.identity() : nil
        let watch = ReachabilityWatch()
        let dht = self.dht.module(bootstrap: self.discovery.bootstrap, archive: archive)
        do {
            try await NodeSession.run(
                self.node, identity: identity, grace: .seconds(2), listensFirst: true,
                adjust: {
                    try self.apply(to: &$0, peerstore, metrics, watch, listen)
                    try plan.apply(to: &$0)
                    if let dht { $0.modules.append(dht) }
                }
            ) { session in
                try self.discovery.keepConnected(session.host)
                let run = DaemonRun(
                    session: session, console: console, metrics: metrics, control: directory?.control, reachability: watch,
                    reachFile: directory?.reachFile, dht: dht)
                try await plan.accompany(session.host, console) { try await run.run(listen) }
            }
        } catch is Interruption {
            // The ordinary end, also before the node was ready.
            return
        }
    }

    /// Adds what only a daemon does.
    private func apply(
        to setup: inout NodeSetup, _ peerstore: SQLitePeerstore?, _ metrics: NodeMetrics?, _ watch: ReachabilityWatch,
        _ listen: [Multiaddr]
    ) throws {
        try self.arrivals.apply(to: &setup)
        if let metrics { setup.modules.append(metrics.module) }
        self.relaying.apply(to: &setup)
        if let peerstore {
            setup.configuration.peerstore = peerstore
            setup.modules.append(KnownPeersDiscovery(peerstore))
        }
        setup.modules += self.discovery.modules
        setup.modules.append(watch)
        if self.rendezvous { setup.modules.append(RendezvousPoint()) }
        setup.webSockets.sharesPorts = self.sharePort
        setup.webSockets.configuration.handler = self.webEcho.map { WebEcho(path: $0) }
        let isConfined = try self.node.proxySetting()?.confines == true
        setup.modules += self.reachability.modules(listening: listen, isConfined: isConfined, for: setup)
    }
}
