public import NIOCore
public import P2PIdentity

/// A tunnel's name within this node.
public struct TunnelID: Hashable, Sendable, CustomStringConvertible {
    /// Counted up from one.
    public let number: UInt64

    /// A tunnel by its number.
    public init(number: UInt64) { self.number = number }

    /// The number.
    public var description: String { "\(self.number)" }
}

/// What a tunnel is and has carried.
public struct TunnelStatus: Sendable, Hashable {
    /// What a tunnel does.
    public enum Kind: String, Sendable, Hashable {
        /// Serves a local service to peers.
        case serve
        /// Brings a peer's service to a local port.
        case forward
        /// Lets programs connect from where a peer is.
        case socks
        /// Connects what peers name, as far as the policy lets them.
        case exit
    }

    /// Its name.
    public var id: TunnelID
    /// What it does.
    public var kind: Kind
    /// The service, where there is one.
    public var name: TunnelName?
    /// The local end: where it leads to, or what is listened on.
    public var local: TunnelEndpoint?
    /// The peer whose service it brings.
    public var peer: PeerID?
    /// Whether it carries datagrams.
    public var isDatagrams: Bool
    /// When it began.
    public var since: NIODeadline
    /// Connections, or sources of datagrams, that live.
    public var flows: Int
    /// Those that there have been.
    public var totalFlows: UInt64
    /// Those that were refused, or could not be opened.
    public var refusals: UInt64
    /// Bytes from peers.
    public var bytesIn: UInt64
    /// Bytes to peers.
    public var bytesOut: UInt64
    /// Datagrams that found no room.
    public var lostDatagrams: UInt64
}
