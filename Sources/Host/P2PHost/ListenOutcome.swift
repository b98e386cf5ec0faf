public import P2PCore
public import P2PMultiaddr

/// What became of the addresses that a host was to listen on.
public struct ListenOutcome: Sendable {
    /// An address that is not listened on.
    public struct Omission: Sendable {
        /// The address as it was asked for.
        public let address: Multiaddr
        /// Why: its code is ``TransportError/Code/familyMissing``.
        public let error: TransportError
    }

    /// The real addresses, with `/p2p`.
    public internal(set) var addresses: [Multiaddr] = []
    /// What this host has nothing for, in the order in which it was asked for.
    public internal(set) var leftOut: [Omission] = []
}
