public import P2PCore
public import P2PIdentity

/// Decides whom a relay serves, besides its limits. What is refused is told `PERMISSION_DENIED`, and no reason.
public protocol RelayAccess: Sendable {
    /// Whether the peer of this connection may have a place.
    func mayReserve(_ connection: ConnectionInfo) async -> GateAnswer
    /// Whether the peer of this connection may connect to `target`, which has a place.
    func mayConnect(_ connection: ConnectionInfo, to target: PeerID) async -> GateAnswer
}

extension RelayAccess {
    /// Everybody may, unless a conforming type decides otherwise.
    public func mayReserve(_ connection: ConnectionInfo) async -> GateAnswer { true }
    /// Everybody may, unless a conforming type decides otherwise.
    public func mayConnect(_ connection: ConnectionInfo, to target: PeerID) async -> GateAnswer { true }
}

/// Serves everybody, within the limits.
public struct OpenRelayAccess: RelayAccess {
    /// It has nothing to decide by.
    public init() {}
}
