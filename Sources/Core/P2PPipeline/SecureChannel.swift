public import NIOCore
public import P2PCore
public import P2PIdentity

/// Authenticates both sides of a channel and encrypts it.
public protocol SecureChannel: Sendable {
    /// What multistream-select calls it, such as `/noise`.
    var protocolID: ProtocolID { get }
    /// Adds its handlers at the end of the channel's pipeline and runs the handshake. On the event loop.
    ///
    /// - Parameters:
    ///   - role: who begins.
    ///   - peer: who must answer; nil lets anybody.
    ///   - muxers: what to announce for early muxer negotiation, the preferred one first.
    ///   - promise: completed on the event loop *before* the first record behind the handshake is passed on, so that
    ///     whoever waits can install the next handler at once. Fails with a ``TransportError``.
    func secure(
        _ channel: any Channel, role: ConnectionRole, expecting peer: PeerID?, muxers: [ProtocolID],
        promise: EventLoopPromise<SecuredChannel>)
}

/// What a secure handshake brought to light.
public struct SecuredChannel {
    /// Who the peer proved to be.
    public var remotePeer: PeerID
    /// The key it proved to hold.
    public var remoteKey: PublicKey
    /// The muxer that both sides chose within the handshake, if they did.
    public var earlyMuxer: ProtocolID?
    /// What the peer's application attached, at most 4 KiB.
    public var appMetadata: [UInt8]?
    /// Where the muxer puts its records.
    public var records: any RecordWriter

    /// Every part, as documented above.
    public init(
        remotePeer: PeerID, remoteKey: PublicKey, earlyMuxer: ProtocolID? = nil, appMetadata: [UInt8]? = nil, records: any RecordWriter
    ) {
        self.remotePeer = remotePeer
        self.remoteKey = remoteKey
        self.earlyMuxer = earlyMuxer
        self.appMetadata = appMetadata
        self.records = records
    }
}
