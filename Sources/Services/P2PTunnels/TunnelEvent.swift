public import P2PIdentity

/// What an application, or its people, may want to know of its tunnels.
public enum TunnelEvent: Sendable {
    /// A connection, or a source of datagrams, got no tunnel, or its tunnel broke. The peer is nil where it is none that was named.
    case failed(TunnelID, PeerID?, TunnelError)
}
