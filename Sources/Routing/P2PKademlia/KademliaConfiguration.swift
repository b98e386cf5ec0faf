public import P2PCore
public import P2PMultiaddr

/// Whether a node answers others, or only asks.
public enum KademliaMode: String, Sendable, Hashable, CaseIterable {
    /// It asks, and nobody sends others to it.
    case client
    /// It answers, too.
    case server
    /// It answers for as long as ``Kademlia/setReachable(_:)`` has said that others can reach it; until somebody says so, it is a client.
    case automatic = "auto"
}

/// Which addresses a table of peers takes and gives out, beyond what holds everywhere: an address is told only to those from where it means the same
/// host, and believed only from them (`Specs/AddressScopes.md`).
public struct KademliaAddressFilter: Sendable {
    private let admitting: @Sendable (Multiaddr) -> Bool

    /// A filter of one's own.
    ///
    /// - Parameter admits: is asked about each address, which is without `/p2p`.
    public init(_ admits: @escaping @Sendable (Multiaddr) -> Bool) { self.admitting = admits }

    /// Whether the address may be taken and given out: never when it has more than 512 bytes, which no sound one has.
    public func admits(_ address: Multiaddr) -> Bool { address.bytes.count <= KademliaLimits.addressLength && self.admitting(address) }

    /// Every address.
    public static let any = KademliaAddressFilter { _ in true }
    /// Those of the internet, and names, but nobody's relay: what a network of the whole world has.
    public static let internet = KademliaAddressFilter { address in
        !address.isRelayed && (address.reach == .internet || address.reach == nil)
    }
    /// Those of this machine and its networks.
    public static let local = KademliaAddressFilter { address in
        switch address.reach {
        case .host, .link, .network: !address.isRelayed
        case .internet, .nowhere, nil: false
        }
    }
}

/// What one table is told: its network, what it stores, whom it takes.
public struct KademliaConfiguration: Sendable {
    /// The protocol by which the members of the network know each other. Two networks under one id become one as soon as any two members meet.
    public var protocolID: ProtocolID
    /// Whether it answers others.
    public var mode: KademliaMode
    /// The namespaces whose values it takes, each with its validator.
    public var namespaces: RecordNamespaces
    /// Which addresses it takes and gives out.
    public var addresses: KademliaAddressFilter
    /// How many peers of one operator's network it takes.
    public var diversity: DiversityLimits
    /// Peers to begin with, each with `/p2p`; dialled at the start, and whenever nobody is known.
    public var bootstrap: [Multiaddr]
    /// How many peers hold something, and are in one bucket of the table (Kademlia's k).
    public var replication: Int
    /// How many are asked at a time (α).
    public var parallelism: Int
    /// After so long somebody who was asked is not waited for alone any more.
    public var stall: Duration
    /// What asking one peer may take, its dial included.
    public var requestTimeout: Duration
    /// What the dial may take of that.
    public var dialTimeout: Duration
    /// What a whole look-up may take.
    public var lookupTimeout: Duration
    /// How often the table is looked through.
    public var refreshInterval: Duration
    /// How often what this node provides, and has put, is told again.
    public var republishInterval: Duration
    /// Whether ``Kademlia/provide(_:onEvent:)`` tells those that are probably the nearest before the look-up is over, and returns when three of four have taken note. That is quicker, and
    /// costs a few holders that are not quite the nearest. While too little is known of the network's size, it goes the ordinary way.
    public var isOptimistic: Bool
    /// What this node provides; a set in memory by default. It is one table's.
    public var keystore: any ProviderKeystore
    /// Where the table, values and providers are kept so that they outlast the process; nil for nowhere.
    public var archive: (any KademliaArchive)?

    /// A network of its own.
    ///
    /// - Parameters:
    ///   - protocolID: should end in `/kad/1.0.0`, which is what go makes of a prefix.
    ///   - namespaces: those of its values; by default it stores none.
    public init(_ protocolID: ProtocolID, mode: KademliaMode = .automatic, namespaces: RecordNamespaces = RecordNamespaces()) {
        self.protocolID = protocolID
        self.mode = mode
        self.namespaces = namespaces
        self.addresses = .any
        self.diversity = .none
        self.bootstrap = []
        self.replication = 20
        self.parallelism = 10
        self.stall = .milliseconds(600)
        self.requestTimeout = .seconds(10)
        self.dialTimeout = .seconds(5)
        self.lookupTimeout = .seconds(60)
        self.refreshInterval = .seconds(600)
        self.republishInterval = .seconds(22 * 3_600)
        self.isOptimistic = false
        self.keystore = MemoryKeystore()
        self.archive = nil
    }

    /// The public network of IPFS, `/ipfs/kad/1.0.0`.
    public static var amino: KademliaConfiguration {
        var configuration = KademliaConfiguration("/ipfs/kad/1.0.0", namespaces: .publicNetwork)
        configuration.addresses = .internet
        configuration.diversity = .publicNetwork
        return configuration
    }

    /// The nodes of IPFS on the local network, `/ipfs/lan/kad/1.0.0`.
    public static var lan: KademliaConfiguration {
        var configuration = KademliaConfiguration("/ipfs/lan/kad/1.0.0", mode: .server, namespaces: .publicNetwork)
        configuration.addresses = .local
        return configuration
    }
}
