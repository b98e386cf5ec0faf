public import P2PMultiaddr

/// How a peer is to be reached. The defaults take whatever connection there is, or comes about.
public struct DialRequest: Sendable, Hashable {
    /// Where the peer may be, with or without `/p2p`, and then also where it failed lately; when empty, where it is known or found to be.
    public var addresses: [Multiaddr]
    /// For everything, look-ups included; nil takes the host's `dialTimeout`.
    public var timeout: Duration?
    /// A connection that a relay lends will do, too. False waits for, and dials, a direct one.
    public var allowsLimited: Bool
    /// Dial even where there is a connection already.
    public var forcesNew: Bool
    /// The role in the handshakes; ``ConnectionRole/listener`` only for a simultaneous connect, where both sides dial.
    public var role: ConnectionRole
    /// Where to dial from; nil leaves it to the transport and the system.
    public var localAddress: Multiaddr?

    /// Every part, as documented above.
    public init(
        addresses: [Multiaddr] = [], timeout: Duration? = nil, allowsLimited: Bool = true, forcesNew: Bool = false,
        role: ConnectionRole = .dialer, localAddress: Multiaddr? = nil
    ) {
        self.addresses = addresses
        self.timeout = timeout
        self.allowsLimited = allowsLimited
        self.forcesNew = forcesNew
        self.role = role
        self.localAddress = localAddress
    }
}
