package import P2PCore

/// Work that a swarm hands to whoever owns its tasks.
package enum SwarmJob: Sendable {
    /// Call ``Swarm/perform(_:)``.
    case dial(DialOperation)
    /// Serve it, then call ``Swarm/ended(_:reason:)``.
    case connection(ConnectionEntry)
    /// Call ``Swarm/serve(_:)``.
    case listener(ActiveListener)
    /// Call ``Swarm/discard(_:_:)``.
    case discard(ConnectionEntry, ConnectionErrorCode)
    /// Call ``Swarm/relieve()``.
    case relieve
    /// Call ``Swarm/cleanPages()``.
    case cleanPages
    /// Call ``Swarm/tend()``.
    case tend
}
