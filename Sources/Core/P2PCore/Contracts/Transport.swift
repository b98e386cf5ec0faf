public import NIOCore
public import P2PIdentity
public import P2PMultiaddr

/// Turns a multiaddr into a connection that is authenticated, encrypted and multiplexed.
public protocol Transport: Sendable {
    /// Whether the address is one that this transport dials. Looks at its form only.
    func canDial(_ address: Multiaddr) -> Bool
    /// Whether the address is one that this transport listens on.
    func canListen(on address: Multiaddr) -> Bool
    /// Dials and proves who answers; another peer than the expected one is ``TransportError/Code/peerMismatch``.
    ///
    /// A role or a local address that this transport can't dial with is ``TransportError/Code/unsupportedOptions``, never ignored.
    ///
    /// Cancelling the task closes the half-open channel.
    func dial(_ address: Multiaddr, expecting peer: PeerID?, options: DialOptions) async throws(TransportError) -> any MuxedConnection
    /// Binds the address; arrivals wait in the system's backlog until ``TransportListener/run(_:)``.
    func listen(on address: Multiaddr) async throws(TransportError) -> any TransportListener
}

/// What a dial may be told, beyond the address.
public struct DialOptions: Sendable {
    /// When the whole dial, handshakes included, has failed. Absolute.
    public var deadline: NIODeadline
    /// The role in the handshakes; `.listener` only for a simultaneous connect, where both sides dial.
    public var role: ConnectionRole
    /// The local address to dial from; nil lets the transport and the system choose.
    public var localAddress: Multiaddr?
    /// Called from any thread when there is somebody at the address and the handshakes begin; perhaps more than once, where an address is
    /// a name. It must not block.
    public var onConnected: (@Sendable () -> Void)?
    /// Asked of each address that a name resolves to, before anything is sent there; throws why it may not be dialled. A stranger's name may
    /// point into this node's own network, and a gater has its say. Nil allows all, for addresses without a name.
    public var mayReach: (@Sendable (IPAddress) async throws(TransportError) -> Void)?

    /// A dial until `deadline`.
    public init(
        deadline: NIODeadline, role: ConnectionRole = .dialer, localAddress: Multiaddr? = nil, onConnected: (@Sendable () -> Void)? = nil
    ) {
        self.deadline = deadline
        self.role = role
        self.localAddress = localAddress
        self.onConnected = onConnected
    }
}

/// An address that a transport is bound to, and the connections that arrive there.
public protocol TransportListener: Sendable {
    /// The real addresses: port 0 resolved, wildcards spelled out as one address per interface.
    var addresses: [Multiaddr] { get }
    /// Interfaces come and go: the whole list, each time that it changes.
    var addressChanges: AddressChanges { get }
    /// Calls `onArrival` in one child task per arrival. Runs until cancelled; throws when the socket fails for good.
    func run(_ onArrival: @escaping @Sendable (any PendingConnection) async -> Void) async throws
}

/// The successive lists of a listener's addresses; only the newest waits.
public struct AddressChanges: AsyncSequence, Sendable {
    /// Each element is the whole list of addresses, as it is after a change.
    public typealias Element = [Multiaddr]
    /// The sequence ends without an error, when whoever changes the list is gone.
    public typealias Failure = Never

    private let stream: AsyncStream<[Multiaddr]>

    /// A sequence and the end that feeds it.
    public static func make() -> (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation) {
        let (stream, continuation) = AsyncStream.makeStream(of: [Multiaddr].self, bufferingPolicy: .bufferingNewest(1))
        return (AddressChanges(stream: stream), continuation)
    }

    /// One consumer at a time: elements go to whoever asks first.
    public func makeAsyncIterator() -> AsyncStream<[Multiaddr]>.Iterator {
        self.stream.makeAsyncIterator()
    }
}

/// An arrival that has cost nothing yet: it is gated and reserved for before any handshake.
///
/// Dropped without a verdict, it is refused.
public protocol PendingConnection: Sendable {
    var localAddress: Multiaddr { get }
    var remoteAddress: Multiaddr { get }
    /// How far the arrival has come, which the transport tells while it runs the handshakes; nil where it tells nothing. Whoever has shown
    /// least makes room when places run out.
    var progress: ArrivalProgress? { get }
    /// Whether the gater has let it in already: a port where several protocols are spoken asks before it knows what arrives.
    var isLetIn: Bool { get }
    /// Runs the handshakes. Cancelling the task ends them, and closes the arrival.
    func accept() async throws(TransportError) -> any MuxedConnection
    /// Closes at once.
    func refuse()
}

extension PendingConnection {
    /// Nothing is told.
    public var progress: ArrivalProgress? { nil }
    /// Nobody was asked.
    public var isLetIn: Bool { false }
}
