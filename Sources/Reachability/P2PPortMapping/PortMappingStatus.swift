public import P2PMultiaddr

/// What has become of the wish to be reached through a router.
public struct PortMappingStatus: Hashable, Sendable {
    /// How a router was talked into it.
    public enum Method: String, Hashable, Sendable {
        /// The Port Control Protocol (RFC 6887).
        case pcp
        /// NAT-PMP (RFC 6886).
        case natPMP = "nat-pmp"
        /// UPnP's Internet Gateway Device, 1 or 2.
        case upnp
    }

    /// Where it stands.
    public enum Phase: String, Hashable, Sendable {
        /// There is nothing to map: no port that listens on a private network with a router, or none that may be mapped.
        case idle
        /// An interface of this machine has a public address, so there is no router to ask.
        case notNeeded
        /// Routers are being asked.
        case searching
        /// At least one port is mapped.
        case mapped
        /// Nobody maps anything; it is tried again later.
        case none
    }

    /// A port that a router has mapped.
    public struct Mapping: Hashable, Sendable {
        /// The port of this node's.
        public let local: LocalPort
        /// This node's address on the network of the router.
        public let localAddress: IPAddress
        /// The router's.
        public let externalPort: UInt16
        /// The router's outer address as it says; nil when it does not.
        public let externalAddress: IPAddress?
        /// The protocol in which the router was asked.
        public let method: Method
    }

    /// How far it has come.
    public internal(set) var phase: Phase
    /// By port.
    public internal(set) var mappings: [Mapping]
    /// The router's outer address is not the internet's, or it says so: there is another router that maps nothing for us.
    public internal(set) var isBehindAnotherNAT: Bool
    /// Why the ports that are not mapped are not, for people.
    public internal(set) var failures: [LocalPort: String]
    /// The router; nil when none is known.
    public internal(set) var gateway: IPAddress?
    /// This node's address on its network; nil without a gateway.
    public internal(set) var localAddress: IPAddress?

    init(
        phase: Phase = .idle, mappings: [Mapping] = [], isBehindAnotherNAT: Bool = false, failures: [LocalPort: String] = [:],
        gateway: IPAddress? = nil, localAddress: IPAddress? = nil
    ) {
        self.phase = phase
        self.mappings = mappings
        self.isBehindAnotherNAT = isBehindAnotherNAT
        self.failures = failures
        self.gateway = gateway
        self.localAddress = localAddress
    }
}
