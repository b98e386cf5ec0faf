public import P2PCore
public import P2PIdentity
import P2PSwarm

extension PeerHost: PeerValuing {
    /// Has connections with the peer be worth so much more, or less if it is negative, until it is taken back: see ``PeerValuing``.
    ///
    /// ```swift
    /// host.tag(peer, "friend", value: 100)
    /// ```
    public func tag(_ peer: PeerID, _ name: String, value: Int) { self.swarm.tag(peer, name, value: value) }

    /// Adds to a value that fades: for what counts less the longer ago it was.
    public func tag(_ peer: PeerID, _ name: String, adding points: Int, halfLife: Duration) {
        self.swarm.tag(peer, name, adding: points, halfLife: halfLife)
    }

    /// Takes a value back, permanent or fading.
    public func untag(_ peer: PeerID, _ name: String) { self.swarm.untag(peer, name) }

    /// Has no connection with the peer be closed to make room for others until that is taken back. ``keepConnected(_:at:)`` does so by itself.
    public func protect(_ peer: PeerID, for name: String) { self.swarm.protect(peer, for: name) }

    /// Takes back what ``protect(_:for:)`` said under that name.
    ///
    /// - Returns: whether something else still protects the peer.
    @discardableResult
    public func unprotect(_ peer: PeerID, for name: String) -> Bool { self.swarm.unprotect(peer, for: name) }

    /// What a connection is worth at this moment, and why; nil when there is no such connection any more.
    public func value(of connection: ConnectionID) -> ConnectionValue? { self.swarm.value(of: connection) }

    /// What every connection is worth at this moment, the oldest first: all of them are looked at once.
    public func values() -> [(connection: PeerConnection, value: ConnectionValue)] {
        self.swarm.values.map { (PeerConnection($0.connection, of: self.link), $0.value) }
    }
}
