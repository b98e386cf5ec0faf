public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

/// A peer as the file has it.
public struct StoredPeer: Sendable, Hashable {
    /// An address of a peer.
    public struct Address: Sendable, Hashable {
        /// Without `/p2p`.
        public let address: Multiaddr
        /// Where it came from.
        public let source: AddressSource
        /// Where it holds; nil when that is not known.
        public let origin: AddressOrigin?
        /// When it expires, in seconds since 1970.
        public let expiresAt: Int64
    }

    /// Who it is.
    public let peer: PeerID
    /// Where it may be, the most reliable address first.
    public let addresses: [Address]
    /// What it said of itself; nil when it has not.
    public let introduction: Introduction?
    /// When a connection to it last began or ended, in seconds since 1970; nil for never.
    public let lastSeen: Int64?
}
