public import NIOCore
public import P2PIdentity
public import P2PMultiaddr

/// Counts what peers make this node hold, and refuses beyond the limits.
public protocol ResourceManager: Sendable {
    /// For an arrival, before any handshake. Where no place is left, the arrival that has shown least for longest loses its own.
    ///
    /// - Parameter progress: what the arrival shows from now on; nil for one of which nothing is told before it is done.
    func reservePending(
        from address: Multiaddr, progress: ArrivalProgress?, at now: NIODeadline
    ) throws(LimitError) -> PendingPlace
    /// For a connection whose peer has proved who it is.
    func reserveConnection(to peer: PeerID, at address: Multiaddr, role: ConnectionRole) throws(LimitError) -> Reservation
    /// For an inbound stream of a protocol.
    func reserveStream(of protocolID: ProtocolID, from peer: PeerID, limit: Int) throws(LimitError) -> Reservation
}

/// Something that was counted, and is given back when this value goes away.
public struct Reservation: ~Copyable, Sendable {
    private let release: @Sendable () -> Void

    /// - Parameter release: gives back what was counted; called once.
    public init(release: @escaping @Sendable () -> Void) {
        self.release = release
    }

    deinit {
        self.release()
    }
}

/// A limit that was reached, by name.
public struct LimitError: Error, Equatable, CustomStringConvertible {
    /// The setting's name, such as `pendingInbound`.
    public let limit: String
    /// The value that the limit has now; the next one would have exceeded it.
    public let value: Int

    /// A limit by its setting's name, and its value.
    public init(limit: String, value: Int) {
        self.limit = limit
        self.value = value
    }

    /// The limit and its value, for people.
    public var description: String { "the limit \(self.limit) of \(self.value) is reached" }
}
