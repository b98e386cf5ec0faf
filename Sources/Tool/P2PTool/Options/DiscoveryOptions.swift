import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// How a daemon finds others.
struct DiscoveryOptions: ParsableArguments {
    @Flag(
        inversion: .prefixedNo,
        help: "Announce this node on the local network by mDNS, and connect to the peers found there. (default: --no-mdns)")
    var mdns: Bool?

    @Option(help: ArgumentHelp("The only network interface for --mdns; repeat it for several. (default: all)", valueName: "name"))
    var mdnsInterface: [String] = []

    @Option(
        help: ArgumentHelp(
            "A peer to connect to, and again whenever the connection is lost; repeat it for several.", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var bootstrap: [Multiaddr] = []

    func validate() throws {
        if !self.mdnsInterface.isEmpty, self.mdns != true { throw ValidationError("--mdns-interface needs --mdns.") }
        if let address = self.bootstrap.first(where: { $0.peerID == nil }) {
            throw ValidationError("--bootstrap \(address) does not say which peer to expect: add /p2p/ and its id.")
        }
    }

    /// Has the host stay connected to the bootstrap peers.
    func keepConnected(_ host: PeerHost) throws {
        for known in try BootstrapDiscovery(self.bootstrap).peers { try host.keepConnected(known.peer, at: known.addresses) }
    }

    /// What the options add to a node.
    var modules: [any HostModule] {
        self.mdns == true ? [MDNS(MDNSConfiguration(interfaces: Set(self.mdnsInterface)))] : []
    }
}
