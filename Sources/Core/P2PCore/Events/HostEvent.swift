public import P2PMultiaddr

/// Something that happened to a host. What happens to a module is a sequence of that module's own.
///
/// There will be more of them: a `switch` outside of this package has an `@unknown default`. Compilers before Swift 6.3 do not ask for it;
/// write it there too, or the next case breaks the build.
#if compiler(>=6.3)
    @nonexhaustive
#endif
public enum HostEvent: Sendable {
    /// An address is bound; with `/p2p`.
    case listening(Multiaddr)
    /// An address is not bound any more.
    case stoppedListening(Multiaddr)
    /// An address of several is not listened on, because this host has nothing of its family; the others are.
    case leftOut(Multiaddr, error: TransportError)
    /// A connection is ready.
    case connected(ConnectionInfo)
    /// A connection ended.
    case disconnected(ConnectionInfo, reason: ConnectionError)
    /// A peer introduced itself; of the addresses that it told there are those that are believed from where it was met.
    case identified(ConnectionInfo, Introduction)
    /// A source of discovery found a peer, or found it again; unverified.
    case discovered(DiscoveredPeer)
    /// An arrival was not accepted, or its handshakes failed.
    case arrivalFailed(address: Multiaddr, error: TransportError)
    /// The subscriber was too slow, and so many events were dropped.
    case lost(count: Int)
}
