public import P2PMultiaddr

/// What is known of one of a node's addresses.
public struct AddressReport: Hashable, Sendable {
    /// Whether peers on the internet reach it.
    public enum Verdict: String, Hashable, Sendable {
        case reachable, unreachable
        /// Nobody has tried, or too few have.
        case unknown
    }

    /// Why the node thinks that it has the address.
    public enum Source: Hashable, Sendable, CustomStringConvertible {
        /// It listens there.
        case listening
        /// A router says that it leads here; by the protocol of that name.
        case mapped(by: String)
        /// So many peers in different networks see it there.
        case observed(by: Int)
        /// The address that peers see, with the port on which it listens: a router may have been told by hand.
        case assumed
        /// A relay lends it.
        case relayed

        /// One word, or two: `listening`, `pcp`, `nat-pmp`, `upnp`, `observed`, `assumed`, `relayed`.
        public var description: String {
            switch self {
            case .listening: "listening"
            case .mapped(let method): method
            case .observed: "observed"
            case .assumed: "assumed"
            case .relayed: "relayed"
            }
        }
    }

    /// Without `/p2p`.
    public let address: Multiaddr
    /// Why it is thought to be one of the node's.
    public let source: Source
    /// What others say of it.
    public let verdict: Verdict
    /// Servers that say so.
    public let servers: Int
    /// Networks in which these are.
    public let networks: Int
    /// Why it was not reached the last time; nil when it was, or nobody tried.
    public let lastError: String?
}
