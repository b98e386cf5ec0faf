public import P2PIdentity
public import P2PMultiaddr

/// Decides where this node listens and who may connect, at the moments at which there is something to decide by.
///
/// What is undecided when the time for the handshakes is over is refused; the method is cancelled then, and has to return.
public protocol ConnectionGater: Sendable {
    /// Before an address is bound, also when it is bound again after a failure.
    func mayListen(on address: Multiaddr) async -> GateAnswer
    /// Before a dial, for each address. For a list in DNS (`/dnsaddr`) before it is looked up, and then for each address that it has.
    func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer
    /// Before anything is sent, for each IP address to which the name in a dialled address leads: exactly those that are granted are tried. Not
    /// asked where a proxy looks the name up.
    func mayReach(_ ip: IPAddress, namedBy address: Multiaddr, peer: PeerID?) async -> GateAnswer
    /// On an arrival, before any handshake; once for each. A port on which an application is served, or several protocols are, asks before it
    /// knows what arrives: the address is then that of the carrier, such as `/ip4/…/tcp/…`. Where a trusted proxy names its client in a
    /// request, the client is another question.
    func mayAccept(from address: Multiaddr) async -> GateAnswer
    /// Once the peer has proved who it is, both ways.
    ///
    /// - Parameter address: what this side dialled, as it was named; nil for an arrival.
    func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer
    /// The connection that it was asked whether to keep is gone, whatever was decided. Must not block.
    func ended(_ connection: ConnectionInfo)
    /// The address that it was asked about is not listened on any more, or could not be. Must not block.
    func stoppedListening(on address: Multiaddr)
}

extension ConnectionGater {
    /// Every address may be listened on, unless a conforming type decides otherwise.
    public func mayListen(on address: Multiaddr) async -> GateAnswer { true }
    /// Every address may be dialled, unless a conforming type decides otherwise.
    public func mayDial(_ address: Multiaddr, peer: PeerID?) async -> GateAnswer { true }
    /// A name may lead anywhere, unless a conforming type decides otherwise.
    public func mayReach(_ ip: IPAddress, namedBy address: Multiaddr, peer: PeerID?) async -> GateAnswer { true }
    /// Every arrival is accepted, unless a conforming type decides otherwise.
    public func mayAccept(from address: Multiaddr) async -> GateAnswer { true }
    /// Every connection is kept, unless a conforming type decides otherwise.
    public func mayKeep(_ connection: ConnectionInfo, dialledAt address: Multiaddr?) async -> GateAnswer { true }
    /// Nothing is kept of connections, unless a conforming type does.
    public func ended(_ connection: ConnectionInfo) {}
    /// Nothing is kept of listeners, unless a conforming type does.
    public func stoppedListening(on address: Multiaddr) {}
}

/// A gater that refuses nobody: what a host has when it is given none.
public struct OpenGater: ConnectionGater {
    /// It has nothing to decide by.
    public init() {}
}
