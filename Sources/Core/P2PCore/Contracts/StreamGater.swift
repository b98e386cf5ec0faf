/// Decides which streams there may be, both ways. A module brings one in ``HostPlan/streamGaters``; without any, streams cost nothing more.
///
/// What is undecided when the time for agreeing on a protocol is over is refused; the method is cancelled then, and has to return. Whoever
/// keeps the stream, to end it later, keeps it weakly: a stream ends when its handler, or the application, lets go of it.
public protocol StreamGater: Sendable {
    /// Before a stream is opened, for each protocol that would be proposed; nothing has been sent.
    func mayOpen(_ stream: PeerStream, for protocolID: ProtocolID, on connection: ConnectionInfo) async -> GateAnswer
    /// Once the peer and this side have agreed on a protocol, before its handler gets the stream. The peer sees a reset
    /// (``StreamErrorCode/gated``) when it is refused.
    func mayServe(_ stream: PeerStream, for protocolID: ProtocolID, on connection: ConnectionInfo) async -> GateAnswer
}

extension StreamGater {
    /// Every stream may be opened, unless a conforming type decides otherwise.
    public func mayOpen(_ stream: PeerStream, for protocolID: ProtocolID, on connection: ConnectionInfo) async -> GateAnswer { true }
    /// Every stream is served, unless a conforming type decides otherwise.
    public func mayServe(_ stream: PeerStream, for protocolID: ProtocolID, on connection: ConnectionInfo) async -> GateAnswer { true }
}
