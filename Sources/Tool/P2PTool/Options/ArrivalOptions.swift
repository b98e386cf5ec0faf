import ArgumentParser
import P2P
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// What a node is for.
enum PresetChoice: String, CaseIterable, ExpressibleByArgument {
    case server, desktop, phone

    var preset: ResourceLimits.Preset {
        switch self {
        case .server: .server
        case .desktop: .desktop
        case .phone: .phone
        }
    }
}

/// How much others may make a node hold, and whom it knows by address.
struct ArrivalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the node is for, from which its limits follow, with the memory and descriptors of the machine: server, desktop or phone.",
            valueName: "name"))
    var preset = PresetChoice.server

    @Option(
        help: ArgumentHelp(
            "Another value for a limit; repeat it for several.",
            discussion: "The limits, each with its default:\n\(LimitSetting.list)", valueName: "name=value"))
    var limit: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            A proxy, or a network of them, that is believed when it says for whom it connects: its clients are counted, and not itself. It says \
            so by the PROXY protocol (version 1 or 2) in front of TCP, or by X-Forwarded-For in a request for a WebSocket. Repeat it for several.
            """, valueName: "cidr"), transform: Self.network)
    var trustedProxy: [IPNetwork] = []

    @Option(
        help: ArgumentHelp(
            """
            An address, a network or a peer (its id) that has places of its own when strangers have taken all others. It keeps nobody out. Repeat \
            it for several.
            """, valueName: "cidr|peer"))
    var allow: [AllowChoice] = []

    func validate() throws {
        var setup = NodeSetup()
        try self.apply(to: &setup)
    }

    /// Has a node hold what the options say.
    func apply(to setup: inout NodeSetup) throws {
        setup.prepare(for: self.preset.preset)
        try LimitSetting.apply(self.limit, to: &setup)
        setup.keepWindowsWithinLimits()
        var known = KnownNetworks(proxies: self.trustedProxy)
        for choice in self.allow {
            switch choice {
            case .network(let network): known.allowed.append(network)
            case .peer(let peer): known.allowedPeers.insert(peer)
            }
        }
        setup.configuration.host.networks = known
    }

    private static func network(_ text: String) throws -> IPNetwork {
        guard let network = IPNetwork(text) else {
            throw ValidationError("\(text) is not an IP address, nor a network such as 10.0.0.0/8 or 2001:db8::/32.")
        }
        return network
    }
}

/// Who has places of its own.
enum AllowChoice: ExpressibleByArgument, Equatable {
    case network(IPNetwork)
    case peer(PeerID)

    init?(argument: String) {
        if let network = IPNetwork(argument) {
            self = .network(network)
        } else if let peer = PeerID(argument) {
            self = .peer(peer)
        } else {
            return nil
        }
    }
}
