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
    /// Whose limit it is.
    public enum Scope: Sendable, Hashable, CustomStringConvertible {
        /// The host's: everybody's together.
        case host
        /// One address's.
        case address(Multiaddr)
        /// One peer's.
        case peer(PeerID)

        /// In a few words.
        public var description: String {
            switch self {
            case .host: "the host"
            case .address(let address): "the address \(address)"
            case .peer(let peer): "the peer \(peer)"
            }
        }
    }

    /// The setting's name, such as `pendingInbound`.
    public let limit: String
    /// The value that the limit has now; the next one would have exceeded it.
    public let value: Int
    /// Whose limit it is.
    public let scope: Scope
    /// What counted for it.
    public let use: Int

    /// A limit by its setting's name, and its value.
    ///
    /// - Parameter use: what counts for it; nil for as much as the value.
    public init(limit: String, value: Int, scope: Scope = .host, use: Int? = nil) {
        self.limit = limit
        self.value = value
        self.scope = scope
        self.use = use ?? value
    }

    /// Whether both are the same limit, whoever reached it.
    public static func == (one: LimitError, other: LimitError) -> Bool { one.limit == other.limit && one.value == other.value }

    /// The limit and its value, what counts for it and for whom, for people. The limit's name is the setting's.
    public var description: String {
        "the limit \(self.limit) of \(self.value) is reached: \(self.use) in use by \(self.scope)"
    }
}
