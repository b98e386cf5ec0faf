public import P2PIdentity
public import P2PMultiaddr

/// Who asks, from where, and when.
public struct PolicyAsker: Hashable, Sendable {
    /// The peer for whom it is, if one has proved who it is.
    public var peer: PeerID?
    /// Where that peer is.
    public var address: IPAddress?
    /// The program for which it is, by the name that was given to its token.
    public var app: String?
    /// Seconds since 1970.
    public var time: Int64

    /// Somebody, at that time in seconds since 1970.
    public init(peer: PeerID? = nil, address: IPAddress? = nil, app: String? = nil, time: Int64) {
        self.peer = peer
        self.address = address
        self.app = app
        self.time = time
    }
}
