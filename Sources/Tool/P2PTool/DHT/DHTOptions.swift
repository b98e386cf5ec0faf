import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// The network of a hash table, and how to get in.
struct DHTOptions: ParsableArguments {
    static let defaultProtocol = "/ipfs/kad/1.0.0"

    @Option(
        help: ArgumentHelp("A member of the network to begin with; repeat it for several.", valueName: "multiaddr"),
        transform: TargetOptions.parse)
    var bootstrap: [Multiaddr] = []

    @Option(
        help: ArgumentHelp(
            """
            The protocol by which the members know each other. With each of them addresses of local networks count as well as those of the internet. \
            (default: \(DHTOptions.defaultProtocol))
            """, valueName: "id"))
    var dhtProtocol: String?

    func validate() throws {
        if let address = self.bootstrap.first(where: { $0.peerID == nil }) {
            throw ValidationError("--bootstrap \(address) does not say which peer to expect: add /p2p/ and its id.")
        }
        try Self.check(protocolID: self.dhtProtocol)
    }

    static func check(protocolID: String?) throws {
        if let name = protocolID, ProtocolID(validating: name) == nil || !name.hasPrefix("/") {
            throw ValidationError("--dht-protocol \(name) is no protocol: it begins with a slash, as in \(self.defaultProtocol).")
        }
    }

    /// Whether values of a namespace are checked everywhere.
    static func isChecked(_ namespace: String) -> Bool { namespace == "pk" || namespace == "ipns" }

    static func check(namespaces: [String]) throws {
        if let name = namespaces.first(where: Self.isChecked) {
            throw ValidationError("--dht-namespace \(name): values of \(name) are taken anyway, and checked.")
        }
        if let name = namespaces.first(where: { $0.isEmpty || $0.contains("/") }) {
            throw ValidationError("--dht-namespace takes a name without a slash, such as text, instead of \(name).")
        }
    }

    /// What a table is told.
    static func configuration(
        protocolID: String?, namespaces: [String], mode: KademliaMode, bootstrap: [Multiaddr]
    ) -> KademliaConfiguration {
        // Addresses are judged by where they are told, so that the public network's id also serves a network of one machine's nodes.
        var configuration = KademliaConfiguration(ProtocolID(protocolID ?? Self.defaultProtocol), mode: mode, namespaces: .publicNetwork)
        for name in namespaces { configuration.namespaces[name] = AnyValueValidator() }
        configuration.bootstrap = bootstrap
        if protocolID ?? Self.defaultProtocol == Self.defaultProtocol { configuration.diversity = .publicNetwork }
        return configuration
    }

    /// What a client's table is told.
    ///
    /// - Parameter key: the namespace of this one is taken as it is when there is no validator for it: whoever names a key knows what it is.
    func configuration(for key: DHTKey?) -> KademliaConfiguration {
        let namespace = key?.namespace.flatMap { Self.isChecked($0) ? nil : $0 }
        return Self.configuration(
            protocolID: self.dhtProtocol, namespaces: namespace.map { [$0] } ?? [], mode: .client, bootstrap: self.bootstrap)
    }
}
