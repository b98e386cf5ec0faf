import P2PIdentity

/// A connection to a peer, with what can be done on it.
///
/// It keeps neither the connection nor the host alive. Its facts (``ConnectionInfo``) are its own properties, too:
/// `connection.remotePeer` is `connection.info.remotePeer`.
@dynamicMemberLookup
public final class PeerConnection: Sendable, CustomStringConvertible {
    /// Who is at the other end, and how the connection came to be.
    public let info: ConnectionInfo
    /// The host that the connection belongs to.
    public let host: any HostAccess

    /// A connection of a host; hosts make them, and tests of handlers.
    public init(_ info: ConnectionInfo, of host: any HostAccess) {
        self.info = info
        self.host = host
    }

    /// A fact about the connection.
    public subscript<Fact>(dynamicMember fact: KeyPath<ConnectionInfo, Fact>) -> Fact { self.info[keyPath: fact] }

    /// Opens a stream that speaks the first of these protocols that the peer serves.
    ///
    /// With one proposal, or one that the peer is known to serve, no round trip is spent: the proposal travels with the first bytes that
    /// are written, and a refusal shows at the first read.
    ///
    /// - Throws: ``StreamError/Code/connectionLost`` when the connection has ended.
    public func openStream(_ protocols: ProtocolID...) async throws(StreamError) -> PeerStream {
        try await self.host.openStream(on: self.info.id, protocols: protocols)
    }

    /// Closes the connection; returns when it is gone, handlers included.
    ///
    /// - Parameter grace: how long its streams may still go on.
    public func close(_ code: ConnectionErrorCode = .normal, grace: Duration = .zero) async {
        await self.host.disconnect(self.info.id, code: code, grace: grace)
    }

    /// The connection in a line for logs and people; not meant to be parsed.
    public var description: String { self.info.description }
}
