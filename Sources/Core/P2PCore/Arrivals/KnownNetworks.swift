public import P2PIdentity
public import P2PMultiaddr

/// Whom a host knows: networks by their addresses, and peers by their ids.
public struct KnownNetworks: Sendable, Hashable {
    /// Their arrivals and connections have places of their own beside everybody else's, which strangers can't take from them; beyond those
    /// they are like others. It keeps nobody out.
    public var allowed: [IPNetwork]
    /// Peers whose connections have these places, too, wherever they come from, once they have proved who they are.
    public var allowedPeers: Set<PeerID>
    /// Proxies that are believed when they say for whom they connect. What comes through them is counted by that client: by the header of the
    /// PROXY protocol (version 1 or 2) with which a connection begins, and by `X-Forwarded-For` in a request for a WebSocket. Name none
    /// but proxies that say so on every connection, and drop what clients claim themselves. What others send of the kind means nothing.
    public var proxies: [IPNetwork]

    /// By default nobody is known.
    public init(allowed: [IPNetwork] = [], proxies: [IPNetwork] = [], allowedPeers: Set<PeerID> = []) {
        self.allowed = allowed
        self.allowedPeers = allowedPeers
        self.proxies = proxies
    }

    /// Whether a peer at an address is one of those that are allowed.
    package func allow(_ peer: PeerID, at address: Multiaddr) -> Bool {
        self.allowedPeers.contains(peer) || self.allowed.contain(address)
    }
}
