public import P2PCore
public import P2PIdentity
public import P2PMultiaddr

/// A local port, or a unix socket, whose connections go to a service of a peer.
public struct TunnelForward: Sendable, Hashable {
    /// What is listened on. Port 0 leaves the port to the system.
    public var listen: TunnelEndpoint
    /// Whose service it is.
    public var peer: PeerID
    /// Which one.
    public var name: TunnelName
    /// Whether it is one of datagrams.
    public var isDatagrams: Bool
    /// Where the peer may be, with or without `/p2p`; when empty, where it is known or found to be.
    public var addresses: [Multiaddr] = []

    /// A forward; by default one of connections.
    public init(_ listen: TunnelEndpoint, to peer: PeerID, _ name: TunnelName, isDatagrams: Bool = false) {
        self.listen = listen
        self.peer = peer
        self.name = name
        self.isDatagrams = isDatagrams
    }
}

extension TunnelForward {
    /// A forward by texts, such as `127.0.0.1:2222` and `/x/ssh`.
    ///
    /// - Throws: ``TunnelError`` (`badRequest`) for a name or an end that is none.
    public init(_ listen: String, to peer: PeerID, _ name: String, isDatagrams: Bool = false) throws(TunnelError) {
        guard let name = TunnelName(name) else { throw TunnelError(.badRequest, "\(name) is no name of a service") }
        guard let listen = TunnelEndpoint(listen) else { throw TunnelError(.badRequest, "\(listen) is no end of a tunnel") }
        self.init(listen, to: peer, name, isDatagrams: isDatagrams)
    }
}
