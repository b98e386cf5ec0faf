public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

/// Dials back for a server of AutoNAT. It is nobody's friend: it has an identity and sockets of its own, remembers nobody, and listens nowhere.
///
/// Were it the host itself, its QUIC would dial from the socket to which the client has already made a hole in its router, and every client would
/// seem to be reached.
public protocol DialBackDialer: Sendable {
    /// Whether it has a transport and an IP family for the address.
    func canDial(_ address: Multiaddr) -> Bool
    /// Dials a peer at the addresses, all at once, and proves that it is the peer; the caller closes the connection.
    func dial(_ peer: PeerID, at addresses: [Multiaddr], within timeout: Duration) async throws(DialError) -> PeerConnection
    /// Runs until cancelled; dials are taken only meanwhile.
    func run() async throws
}
