public import Logging
public import P2PIdentity
public import P2PMultiaddr

/// What a running module may do with its host: narrow, and it does not keep the host alive. Only hosts conform to it; a module is tested on a
/// host of its own, which `World` of P2PTesting makes without a network.
///
/// When the host is gone, dials fail with ``DialError/Code/notRunning``, streams with ``StreamError/Code/connectionLost``, and lists are empty.
public protocol HostAccess: StreamOpening, PeerValuing {
    /// The name of the node.
    var peerID: PeerID { get }
    /// The host's time. Whatever waits or measures asks this clock, so that a simulation can turn it.
    var clock: HostClock { get }
    /// Where the host logs.
    var logger: Logger { get }
    /// Where the node listens, without `/p2p`.
    var listenAddresses: [Multiaddr] { get }
    /// What the node tells others of where it is, without `/p2p`.
    var announcedAddresses: [Multiaddr] { get }
    /// Every connection that lives, the oldest first. A list of all: who wants one asks for that one.
    var connections: [PeerConnection] { get }
    /// The connection of that number; nil when it is over.
    func connection(_ id: ConnectionID) -> PeerConnection?
    /// The connections to a peer that take new streams: those that no relay limits first, then the oldest. One that is being closed is among all
    /// connections still, and not here.
    func connections(to peer: PeerID) -> [PeerConnection]
    /// Whether there is a connection to a peer, also one that is being closed.
    func isConnected(to peer: PeerID) -> Bool
    /// What is known of peers.
    var peerstore: any Peerstore { get }
    /// Counts what peers make this node hold.
    var resources: any ResourceManager { get }
    /// What the node says of itself, and what peers have said.
    var introductions: any PeerIntroducing { get }
    /// What the host holds now and has counted so far. It looks at every connection: for seconds, not for milliseconds.
    func sample() -> HostSample
    /// What happens from now on. Bounded: a slow subscriber is told how many events it lost.
    func events() -> HostEvents
    /// Connects to a peer, or returns the connection that there is.
    func connect(to peer: PeerID, _ request: DialRequest) async throws(DialError) -> PeerConnection
    /// Closes a connection; returns when it is gone, handlers included.
    func disconnect(_ connection: ConnectionID, code: ConnectionErrorCode, grace: Duration) async
    /// Listens no more on an address that was asked for so; what arrived there stays. Events tell when it is closed.
    func stopListening(on address: Multiaddr)
    /// Serves a protocol from now on.
    ///
    /// - Throws: ``StreamError/Code/protocolTaken`` when another handler serves one of its names; ``StreamError/Code/invalidProtocol`` for a
    ///   name that can't be negotiated; ``StreamError/Code/connectionLost`` when the host is gone.
    func serve(_ handler: any ProtocolHandler) throws(StreamError)
    /// Serves that protocol, and what else its handler serves, no more. Streams that there are live on.
    func stopServing(_ protocolID: ProtocolID)
    /// A peer was found: it is remembered and, unless the host is told otherwise, dialled.
    func discovered(_ found: DiscoveredPeer) async
}
