public import P2PIdentity
public import P2PMultiaddr

/// What a node says about itself, or a peer about itself (identify).
public struct Introduction: Sendable, Hashable {
    /// The key that the sender claims; must match the one that the connection proved.
    public var publicKey: PublicKey?
    /// The addresses at which the sender says that it listens, without `/p2p`.
    public var listenAddresses: [Multiaddr]
    /// The protocols that the sender says it serves.
    public var protocols: [ProtocolID]
    /// The address at which the sender sees the receiver.
    public var observedAddress: Multiaddr?
    /// A family of protocols, such as `ipfs/0.1.0`; may be empty.
    public var protocolVersion: String
    /// The implementation, such as `swift-p2p/0.1.0`.
    public var agentVersion: String
    /// The sender's peer record in its signed envelope, as bytes, verified if it came from a peer.
    public var signedRecord: [UInt8]?

    /// Every part, as documented above.
    public init(
        publicKey: PublicKey? = nil, listenAddresses: [Multiaddr] = [], protocols: [ProtocolID] = [], observedAddress: Multiaddr? = nil,
        protocolVersion: String = "", agentVersion: String = "", signedRecord: [UInt8]? = nil
    ) {
        self.publicKey = publicKey
        self.listenAddresses = listenAddresses
        self.protocols = protocols
        self.observedAddress = observedAddress
        self.protocolVersion = protocolVersion
        self.agentVersion = agentVersion
        self.signedRecord = signedRecord
    }
}

/// How identify reaches the host.
public protocol PeerIntroducing: Sendable {
    /// What this node says about itself to the peer of `connection`.
    func introduction(to connection: ConnectionInfo) async -> Introduction
    /// A peer has introduced itself, and the introduction was verified.
    func introduced(_ introduction: Introduction, on connection: ConnectionInfo) async
    /// Yields whenever what this node says about itself has changed, so that peers can be told.
    var introductionChanges: AsyncStream<Void> { get }
    /// The connections to peers that serve `protocolID`, so that they can be told.
    func connections(serving protocolID: ProtocolID) async -> [ConnectionInfo]
    /// What a peer has said about itself before, so that a partial update can be completed; nil when nothing is known.
    func knownIntroduction(of peer: PeerID) async -> Introduction?
    /// Where peers see this node, those with the most observers first.
    var observedAddresses: [ObservedAddress] { get }
}

extension PeerIntroducing {
    /// Nothing is known of any peer, unless a conforming type remembers introductions.
    public func knownIntroduction(of peer: PeerID) async -> Introduction? { nil }
    /// Nobody says where, unless a conforming type listens.
    public var observedAddresses: [ObservedAddress] { [] }
}
