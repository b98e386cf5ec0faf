public import P2PCore

/// Why the table could not do what was asked of it.
public typealias KademliaError = CodedFailure<Kademlia>

extension KademliaError.Code {
    /// No peer of the network is known: nobody has been met who serves its protocol.
    public static var noPeers: Self { Self("noPeers") }
    /// Everybody was asked, and nothing was found.
    public static var notFound: Self { Self("notFound") }
    /// Nobody took what was to be stored.
    public static var notStored: Self { Self("notStored") }
    /// The key is empty, too long, or names no namespace that this node has a validator for.
    public static var invalidKey: Self { Self("invalidKey") }
    /// The validator of the key's namespace refuses the value.
    public static var invalidValue: Self { Self("invalidValue") }
    /// The network, or this node, has a better value.
    public static var outdated: Self { Self("outdated") }
    /// This node has no address that others could be told.
    public static var noAddresses: Self { Self("noAddresses") }
    /// The time was up.
    public static var timedOut: Self { Self("timedOut") }
    /// The task that asked was cancelled.
    public static var cancelled: Self { Self("cancelled") }
    /// The host does not run.
    public static var notRunning: Self { Self("notRunning") }
    /// A limit of this node was reached; the message names it.
    public static var resourceLimit: Self { Self("resourceLimit") }
    /// The keys that this node provides can't be read or written.
    public static var keystoreUnavailable: Self { Self("keystoreUnavailable") }
    /// The configuration contradicts itself; the message says where.
    public static var invalidConfiguration: Self { Self("invalidConfiguration") }
}
