public import P2PIdentity
public import P2PMultiaddr

/// Decides who may connect, at the three moments at which there is something to decide by.
///
/// What is undecided when the time for the handshakes is over is refused; the method is cancelled then, and has to return.
public protocol ConnectionGater: Sendable {
    /// Before a dial, for each address. For a list in DNS (`/dnsaddr`) before it is looked up, and then for each address that it has.
    func mayDial(_ address: Multiaddr, peer: PeerID?) async -> Bool
    /// On an arrival, before any handshake; once for each. A port on which an application is served, or several protocols are, asks before it
    /// knows what arrives: the address is then that of the carrier, such as `/ip4/…/tcp/…`. Where a trusted proxy names its client in a
    /// request, the client is another question.
    func mayAccept(from address: Multiaddr) async -> Bool
    /// Once the peer has proved who it is, both ways.
    func mayKeep(_ connection: ConnectionInfo) async -> Bool
}

extension ConnectionGater {
    /// Every address may be dialled, unless a conforming type decides otherwise.
    public func mayDial(_ address: Multiaddr, peer: PeerID?) async -> Bool { true }
    /// Every arrival is accepted, unless a conforming type decides otherwise.
    public func mayAccept(from address: Multiaddr) async -> Bool { true }
    /// Every connection is kept, unless a conforming type decides otherwise.
    public func mayKeep(_ connection: ConnectionInfo) async -> Bool { true }
}

/// A gater that refuses nobody: what a host has when it is given none.
public struct OpenGater: ConnectionGater {
    /// It has nothing to decide by.
    public init() {}
}
