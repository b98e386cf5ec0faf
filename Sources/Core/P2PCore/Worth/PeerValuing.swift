public import P2PIdentity

/// What peers are worth to a node. Where connections are too many, those that are worth least go first; whoever knows why one should stay says so here, and
/// anybody may ask.
///
/// Nothing needs a connection to the peer, or a host that runs yet. What is said of a peer holds for all of its connections, also those to come.
public protocol PeerValuing: Sendable {
    /// Has connections with the peer be worth so much more, or less if it is negative, until it is taken back.
    ///
    /// - Parameters:
    ///   - name: why, such as `dht`; saying it again replaces the value.
    ///   - value: in points, at most a million either way. For comparison: five minutes of silence cost a connection 60, and that it is one of 64 from
    ///     its network as much.
    func tag(_ peer: PeerID, _ name: String, value: Int)
    /// Adds to a value that fades: for what counts less the longer ago it was, such as a block that the peer has served.
    ///
    /// - Parameters:
    ///   - name: why; what is left of that name grows by the points.
    ///   - points: at most a million either way, together with what is left.
    ///   - halfLife: after how long half of it is left.
    func tag(_ peer: PeerID, _ name: String, adding points: Int, halfLife: Duration)
    /// Takes a value back, permanent or fading.
    func untag(_ peer: PeerID, _ name: String)
    /// Has no connection with the peer be closed to make room for others, whatever it is worth, until that is taken back.
    ///
    /// - Parameter name: for whom or what. Several may protect a peer, and each takes back its own. Whoever protects peers bounds how many.
    func protect(_ peer: PeerID, for name: String)
    /// Takes back what ``protect(_:for:)`` said under that name.
    ///
    /// - Returns: whether something else still protects the peer.
    @discardableResult func unprotect(_ peer: PeerID, for name: String) -> Bool
    /// What a connection is worth at this moment, and why; nil when there is no such connection any more.
    func value(of connection: ConnectionID) -> ConnectionValue?
}
