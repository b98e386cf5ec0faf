public import P2PIdentity
public import P2PMultiaddr

/// Remembers peers: where they are, what they serve.
public protocol Peerstore: Sendable {
    /// Adds addresses, or prolongs them; a shorter time to live never shortens a longer one.
    func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async
    /// Addresses that have not expired, without `/p2p`.
    func addresses(of peer: PeerID) async -> [Multiaddr]
    /// What the peer said of itself when it was last connected.
    func remember(_ introduction: Introduction, of peer: PeerID) async
    /// What is known, or nil.
    func introduction(of peer: PeerID) async -> Introduction?
    /// Every peer that has an address.
    func peers() async -> [PeerID]
    /// Forgets a peer wholly.
    func forget(_ peer: PeerID) async
}

/// Where an address came from.
public enum AddressSource: String, Sendable, Hashable {
    /// The user or application gave it.
    case given
    /// A connection was made there.
    case connected
    /// The peer said so in identify, unsigned.
    case identify
    /// The peer said so in a signed record.
    case certified
    /// Local discovery found it.
    case discovery
}
