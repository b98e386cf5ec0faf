/// How far a socket is: each after the other, never back.
public enum SocketReadyState: Int, Hashable, Sendable, Comparable {
    /// A name is looked up, permission is asked, a connection is made or a port bound.
    case connecting
    /// It can be used.
    case open
    /// Closing has begun: here, or by an error, or since both sides have finished.
    case closing
    /// Its descriptor is gone.
    case closed

    /// The order in which they come.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Where a socket is, and what it is connected to.
public struct SocketEndpoints: Hashable, Sendable {
    /// The local address, numeric.
    public var localAddress: String
    /// The local port.
    public var localPort: Int
    /// The other side's address, numeric; nil for sockets that are only bound.
    public var remoteAddress: String?
    /// The other side's port.
    public var remotePort: Int?

    package init(localAddress: String, localPort: Int, remoteAddress: String? = nil, remotePort: Int? = nil) {
        self.localAddress = localAddress
        self.localPort = localPort
        self.remoteAddress = remoteAddress
        self.remotePort = remotePort
    }
}
