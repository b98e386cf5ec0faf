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
            """
            The name of the service for --mdns. A private network has one of its own; kubo announces itself as _p2p there, too. \
            (default: _p2p, or _p2p- and the network's fingerprint)
            """, valueName: "label"))
    var mdnsService: String?

    @Option(
        help: ArgumentHelp(
            "A peer to connect to, and again whenever the connection is lost; repeat it for several.", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var bootstrap: [Multiaddr] = []

    func validate() throws {
        if !self.mdnsInterface.isEmpty, self.mdns != true { throw ValidationError("--mdns-interface needs --mdns.") }
        if self.mdnsService != nil, self.mdns != true { throw ValidationError("--mdns-service needs --mdns.") }
        try Self.check(service: self.mdnsService)
        if let address = self.bootstrap.first(where: { $0.peerID == nil }) {
            throw ValidationError("--bootstrap \(address) does not say which peer to expect: add /p2p/ and its id.")
        }
    }

    /// - Throws: when the name of a service is no label.
    static func check(service name: String?) throws {
        guard let name, !Self.isServiceLabel(name) else { return }
        throw ValidationError("--mdns-service \(name) is no label of a domain name: 1 to 63 letters, digits, hyphens and underscores.")
    }

    private static func isServiceLabel(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// Has the host stay connected to the bootstrap peers.
    func keepConnected(_ host: PeerHost) throws {
        for known in try BootstrapDiscovery(self.bootstrap).peers { try host.keepConnected(known.peer, at: known.addresses) }
    }

    /// What the options add to a node.
    var modules: [any HostModule] {
        guard self.mdns == true else { return [] }
        return [MDNS(MDNSConfiguration(interfaces: Set(self.mdnsInterface), serviceName: self.mdnsService))]
    }
}
