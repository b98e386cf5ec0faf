public import P2PIdentity
public import P2PMultiaddr

/// Something that a host does and that takes time.
///
/// There will be more of it: a `switch` outside of this package has an `@unknown default`.
#if compiler(>=6.3)
    @nonexhaustive
#endif
public enum HostWork: Sendable {
    /// A dial, for everybody who waits for it; nil for whoever answers.
    case dial(PeerID?)
    /// One address of a dial, from the gater's word to a connection that counts.
    case attempt(Multiaddr)
    /// An arrival, from its limits to a connection that is listed: whence it came, and where it arrived.
    case arrival(from: Multiaddr, at: Multiaddr)
    /// One step of the way to a connection, within an attempt or an arrival.
    case step(UpgradeStep)
    /// Opening a stream: until it is handed out, which with several proposals is when the peer has agreed to one.
    case opening([ProtocolID], on: ConnectionInfo)
    /// Serving a stream that the peer opened, from the protocol agreed on to the handler's end.
    case serving(ProtocolID, on: ConnectionInfo)
}

/// A step of the way from an address to a connection, on transports of bytes.
public enum UpgradeStep: Sendable, Hashable {
    /// The transport makes a channel: names are resolved, and somebody answers.
    case connecting
    /// What stands below the handshakes: a proxy, TLS and WebSocket.
    case preparing
    /// The two sides agree on a secure channel.
    case agreeingOnSecurity
    /// The secure channel's handshake.
    case securing(ProtocolID)
    /// The two sides agree on a muxer.
    case agreeingOnMuxer
}

/// How work came to its end.
public enum WorkOutcome: Sendable {
    /// As it should.
    case done
    /// As it should, with a connection.
    case connected(ConnectionInfo)
    /// With an error: usually one of this package's coded errors.
    case failed(any Error)
}
