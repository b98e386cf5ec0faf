public import P2PCore
import P2PIdentity

/// One side of a connection within the process: streams that are joined buffer to buffer.
///
/// It keeps every rule of a real one (windows, half-closes, resets, backlog, GoAway) and has no network, no crypto and no
/// frames beneath. For tests, and for peers that live together.
public final class MemoryConnection: MuxedConnection {
    /// What takes the place of a secure channel's and a muxer's name in ``ConnectionInfo``.
    public static let protocolID: ProtocolID = "/memory"

    /// Who is at the other end.
    public let info: ConnectionInfo
    /// Runs tasks where the test wants them; nil for anywhere.
    public let executor: (any TaskExecutor)?
    private let link: MemoryConnectionLink

    private init(_ link: MemoryConnectionLink, role: ConnectionRole, local: MemoryPeer, remote: MemoryPeer) {
        self.link = link
        self.executor = local.executor
        self.info = ConnectionInfo(
            role: role, localPeer: PeerID(local.key), remotePeer: PeerID(remote.key), remoteKey: remote.key, localAddress: local.address,
            remoteAddress: remote.address, security: Self.protocolID, muxer: Self.protocolID, wasMuxerEarly: true,
            appMetadata: remote.appMetadata)
    }

    /// Makes both sides of a connection.
    public static func pair(
        dialer: MemoryPeer, listener: MemoryPeer, configuration: MemoryConfiguration = MemoryConfiguration()
    ) -> (dialer: MemoryConnection, listener: MemoryConnection) {
        let link = MemoryConnectionLink(configuration)
        return (
            MemoryConnection(link, role: .dialer, local: dialer, remote: listener),
            MemoryConnection(link, role: .listener, local: listener, remote: dialer)
        )
    }

    /// The streams that the peer opens.
    public var inboundStreams: InboundStreams { InboundStreams(self.link.backlog(of: self.info.role)) }

    /// How much went over it so far.
    public var traffic: ConnectionTraffic { self.link.traffic(of: self.info.role) }

    /// Opens a stream; see ``MuxedConnection``.
    public func openStream() async throws(ConnectionError) -> PeerStream {
        try self.link.open(by: self.info.role)
    }

    /// Says goodbye; see ``MuxedConnection``.
    public func close(_ code: ConnectionErrorCode, grace: Duration) async {
        await self.link.close(by: self.info.role, code, grace: grace)
    }

    /// Breaks the connection under both sides, without a goodbye.
    public func sever() {
        self.link.sever()
    }
}
