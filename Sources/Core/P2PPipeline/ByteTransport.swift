public import NIOCore
public import P2PCore
public import P2PMultiaddr

/// Carries bytes; an ``Upgrader`` makes a connection of them.
public protocol ByteTransport: Sendable {
    func canDial(_ address: Multiaddr) -> Bool
    func canListen(on address: Multiaddr) -> Bool
    /// Connects. The channel does not read by itself yet (`autoRead` is off).
    func connect(to address: Multiaddr, options: DialOptions) async throws(TransportError) -> ByteChannel
    /// Binds the address.
    func bind(to address: Multiaddr) async throws(TransportError) -> any ByteListener
}

/// A channel of bytes and its two ends.
public struct ByteChannel: Sendable {
    /// Does not read by itself until it is upgraded (`autoRead` is off).
    public let channel: any Channel
    /// The address of this side of the connection.
    public let localAddress: Multiaddr
    /// The address of the peer's side of the connection.
    public let remoteAddress: Multiaddr
    /// What the channel goes through before it carries the peer's bytes, in order.
    public let preparations: [any ChannelPreparation]
    /// How far an arrival has come, which the upgrade goes on telling; nil for a dial, and where nothing is told.
    public let progress: ArrivalProgress?
    /// Whether the gater has let it in already, so that the host does not ask again.
    public let isLetIn: Bool
    /// Whether a relay lends it, with limits on time and bytes; see ``ConnectionInfo/isLimited``.
    public let isLimited: Bool

    /// A channel that does not read yet, its ends, what it goes through first, what an arrival's progress is told to, whether the gater
    /// has let it in, and whether a relay lends it.
    public init(
        channel: any Channel, localAddress: Multiaddr, remoteAddress: Multiaddr, preparations: [any ChannelPreparation] = [],
        progress: ArrivalProgress? = nil, isLetIn: Bool = false, isLimited: Bool = false
    ) {
        self.channel = channel
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.preparations = preparations
        self.progress = progress
        self.isLetIn = isLetIn
        self.isLimited = isLimited
    }
}

/// A bound address of a ``ByteTransport``.
public protocol ByteListener: Sendable {
    var addresses: [Multiaddr] { get }
    var addressChanges: AddressChanges { get }
    /// Calls `onArrival` in one child task per channel. Runs until cancelled.
    func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws
}
