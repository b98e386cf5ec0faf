public import P2PMultiaddr

/// What may be dialled around a host's proxy. The module that brings the proxy puts it into the plan, for those that can't go through one.
public struct DirectDials: Sendable {
    /// Whether this address may.
    public let allows: @Sendable (Multiaddr) -> Bool

    /// - Parameter allows: is asked about each address that is to be dialled; it looks at the address only.
    public init(_ allows: @escaping @Sendable (Multiaddr) -> Bool) { self.allows = allows }
}
