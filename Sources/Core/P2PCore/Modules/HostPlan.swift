public import Logging
public import NIOCore
public import P2PIdentity

/// What a host is going to be: made of modules before it exists, and read by tests without one.
///
/// It grows by an entry in a list, never by a flag. What only some modules know of each other travels as a ``subscript(_:)`` of theirs.
public struct HostPlan: Sendable {
    // MARK: What a module may look at

    /// Signs for the node; its public half names it.
    public let identity: any IdentityKey
    /// What modules must not work around.
    public let surroundings: HostSurroundings
    /// What the application attaches to every handshake, at most ``ConnectionInfo/maximumAppMetadata`` bytes.
    public let appMetadata: [UInt8]
    /// What one connection has for all of its handshakes.
    public let handshakeTimeout: Duration
    /// Whom the host knows by address: proxies that are believed, and networks that have places of their own.
    public let networks: KnownNetworks
    /// Bytes that the receive windows of all connections together may grow by.
    public let windowBudget: MemoryBudget
    /// The event loops on which connections live and transports listen.
    public let group: any EventLoopGroup
    /// The logger of the host, for modules to log with.
    public let logger: Logger
    /// The host that is going to be. Nothing can be asked of it before it runs, and keeping it does not keep the host alive.
    public let host: any HostAccess
    /// Asks everybody who has a say: the application's gater, and those of every module, also of those that join later.
    public let gater: any ConnectionGater

    // MARK: What a module may add

    /// The first that takes an address gets it.
    public var transports: [any Transport] = []
    /// Serve the protocols that they name, on the streams that peers open.
    public var handlers: [any ProtocolHandler] = []
    /// Are told of every connection.
    public var greetings: [any ConnectionGreeting] = []
    /// Are asked by a dial where a peer is, once what is known of it leads nowhere.
    public var finders: [any PeerFinding] = []
    /// Turn addresses that name lists into those that they list; the first that answers counts.
    public var resolvers: [any AddressResolver] = []
    /// Bring peers of their own accord; these are told to the host, and dialled.
    public var discovery: [any Discovery] = []
    /// Know further addresses of this node, which it announces.
    public var addresses: [any AddressContributing] = []
    /// Decide where to listen and who may connect: what one of them refuses may not.
    public var gaters: [any ConnectionGater] = []
    /// Decide which streams there may be: whatever one of them refuses may not.
    public var streamGaters: [any StreamGater] = []
    /// Hear what the host does, for metrics and traces. With none of them nothing is told, and no protocol's bytes are counted.
    public var observers: [any HostObserver] = []
    /// Run for as long as the host does.
    public var services: [HostService] = []

    /// The networks that the node's machine is in; a simulation has others than this machine.
    package var localNetworks: @Sendable () -> LocalNetworks = { .current() }
    private var parts: [ObjectIdentifier: any Sendable] = [:]

    /// A plan that nobody has joined yet.
    package init(
        identity: any IdentityKey, surroundings: HostSurroundings = HostSurroundings(), appMetadata: [UInt8] = [],
        handshakeTimeout: Duration = .seconds(10), networks: KnownNetworks = KnownNetworks(), windowBudget: MemoryBudget,
        group: any EventLoopGroup, logger: Logger,
        host: any HostAccess, gater: any ConnectionGater
    ) {
        self.identity = identity
        self.surroundings = surroundings
        self.appMetadata = appMetadata
        self.handshakeTimeout = handshakeTimeout
        self.networks = networks
        self.windowBudget = windowBudget
        self.group = group
        self.logger = logger
        self.host = host
        self.gater = gater
    }

    /// The name of the node.
    public var peerID: PeerID { PeerID(self.identity.publicKey) }

    /// Something that one module makes for those behind it, by its type: a byte transport finds the host's upgrader so.
    public subscript<Part: Sendable>(_ part: Part.Type) -> Part? {
        get { self.parts[ObjectIdentifier(part)] as? Part }
        set { self.parts[ObjectIdentifier(part)] = newValue }
    }
}
