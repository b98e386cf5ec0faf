public import P2PMultiaddr

/// How a peer is to be reached. The defaults take whatever connection there is, or comes about.
///
/// Requests for one peer share a dial, and their addresses: with the same ``allowsLimited``, ``role`` and ``localAddress``, unless ``forcesNew``.
public struct DialRequest: Sendable, Hashable {
    /// Where the peer may be, with or without `/p2p`, and then also where it failed lately; when empty, where it is known or found to be.
    ///
    /// With an address that leads through no relay, a limited connection that there is does not end the matter: it is returned when no
    /// direct one comes about.
    public var addresses: [Multiaddr]
    /// For everything, look-ups included; nil takes the host's `dialTimeout`.
    public var timeout: Duration?
    /// A connection that a relay lends (``ConnectionInfo/isLimited``) will do, too. False dials a direct one, and no address that leads through a relay.
    public var allowsLimited: Bool
    /// Dial even where there is a connection, or a dial, already.
    public var forcesNew: Bool
    /// The role in the handshakes; ``ConnectionRole/listener`` only for a simultaneous connect, where both sides dial.
    public var role: ConnectionRole
    /// Where to dial from; nil leaves it to the transport and the system. A transport that can't fails the address with
    /// ``TransportError/Code/unsupportedOptions``.
    public var localAddress: Multiaddr?
    /// Where it is known to be, and then also where it failed lately; unlike ``addresses``, only as far as that holds from here.
    package var remembered: [KnownAddress] = []

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
