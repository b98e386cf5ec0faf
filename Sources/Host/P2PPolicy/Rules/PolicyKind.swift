/// What a rule is about: something that this node does, or that a peer or a program may have it do.
public enum PolicyKind: String, Hashable, Sendable, CaseIterable {
    /// A TCP socket is connected. Scope: host and ports.
    case tcpConnect = "tcp-connect"
    /// Datagrams are sent. Scope: host and ports.
    case udpConnect = "udp-connect"
    /// A TCP port is listened on. Scope: ports, or a local host and ports.
    case tcpListen = "tcp-listen"
    /// A UDP port is bound. Scope: ports, or a local host and ports.
    case udpListen = "udp-listen"
    /// A peer has a socket connected that it names. Scope: `tcp/` or `udp/`, host and ports.
    case tunnelConnect = "tunnel-connect"
    /// A peer uses a protocol that is served here. Scope: the protocol's name.
    case service
    /// A stream to a peer is opened. Scope: the protocol's name.
    case streamOpen = "stream-open"
    /// A peer is dialled. Scope: the peer, perhaps with host and ports.
    case peerDial = "peer-dial"
    /// A peer's connection is kept. Scope: the peer, perhaps with host and ports.
    case peerAccept = "peer-accept"
    /// A program controls the node. Scope: the method's name.
    case control

    /// Whether everything of the kind is granted for as long as no rule grants something of it.
    public var isOpen: Bool {
        switch self {
        case .service, .streamOpen, .peerDial, .peerAccept: true
        case .tcpConnect, .udpConnect, .tcpListen, .udpListen, .tunnelConnect, .control: false
        }
    }

    /// Whether its addresses are such that somebody connects to.
    var connects: Bool {
        switch self {
        case .tcpConnect, .udpConnect, .tunnelConnect, .peerDial: true
        case .tcpListen, .udpListen, .service, .streamOpen, .peerAccept, .control: false
        }
    }
}
