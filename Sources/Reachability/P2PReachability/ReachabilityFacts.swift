public import P2PCore
public import P2PMultiaddr

/// Everything that a node knows about whether it can be reached, as its modules tell it.
public struct ReachabilityFacts: Hashable, Sendable {
    /// What is said of an address by others who have tried it.
    public struct Verdict: Hashable, Sendable {
        /// Without `/p2p`.
        public var address: Multiaddr
        /// What they say.
        public var state: AddressReport.Verdict
        /// Servers that have tried it.
        public var servers: Int
        /// Networks (IPv4 /24, IPv6 /48) in which these are.
        public var networks: Int
        /// What the last failure was, for people; nil when there was none.
        public var lastError: String?

        /// What others say of an address.
        public init(address: Multiaddr, state: AddressReport.Verdict, servers: Int, networks: Int, lastError: String? = nil) {
            self.address = address
            self.state = state
            self.servers = servers
            self.networks = networks
            self.lastError = lastError
        }
    }

    /// What has become of the wish to have a router map ports.
    public struct Router: Hashable, Sendable {
        /// An outer address that a router says it has mapped, and the protocol in which it says so.
        public struct Mapped: Hashable, Sendable {
            /// Without `/p2p`.
            public var address: Multiaddr
            /// Such as `pcp`.
            public var method: String

            /// A mapping and how it was made.
            public init(address: Multiaddr, method: String) {
                self.address = address
                self.method = method
            }
        }

        /// The router's address on this node's network.
        public var gateway: IPAddress
        /// This node's address there.
        public var localAddress: IPAddress
        /// What it has mapped, as it says.
        public var mapped: [Mapped]
        /// The router's outer address is not the internet's.
        public var isBehindAnotherNAT: Bool
        /// Whether routers are being asked still.
        public var isAsking: Bool
        /// Why ports are not mapped, for people.
        public var failures: [String]

        /// Every part, as documented above.
        public init(
            gateway: IPAddress, localAddress: IPAddress, mapped: [Mapped] = [], isBehindAnotherNAT: Bool = false, isAsking: Bool = false,
            failures: [String] = []
        ) {
            self.gateway = gateway
            self.localAddress = localAddress
            self.mapped = mapped
            self.isBehindAnotherNAT = isBehindAnotherNAT
            self.isAsking = isAsking
            self.failures = failures
        }
    }

    /// Where the node listens, wildcards spelled out; without `/p2p`.
    public var listening: [Multiaddr] = []
    /// Where peers see it.
    public var observed: [ObservedAddress] = []
    /// The router; nil when none was asked.
    public var router: Router?
    /// What servers of AutoNAT say, and strangers who came by themselves.
    public var verdicts: [Verdict] = []
    /// Whether anybody was asked, who could have answered, since the addresses are what they are.
    public var servers = 0
    /// Handshakes with peers on the internet that this node began and that came to an end, by protocol.
    public var dials = Dials()

    /// Which protocols were seen to work from here.
    public struct Dials: Hashable, Sendable {
        /// Over TCP.
        public var tcpSucceeded = 0
        /// Over QUIC.
        public var quicSucceeded = 0
        /// Networks from which nobody answered over QUIC, at hosts that were reached over TCP and say that they listen with it.
        public var quicFailed = 0

        /// None yet.
        public init() {}
    }

    /// Nothing is known.
    public init() {}
}
