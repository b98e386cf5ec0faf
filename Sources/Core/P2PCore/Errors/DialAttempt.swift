public import P2PMultiaddr

/// One address of a dial, and why it led nowhere.
public struct DialAttempt: Sendable, CustomStringConvertible {
    /// What was dialled, without `/p2p`.
    public let address: Multiaddr
    /// What the transport, the handshakes or the gater said when this address failed.
    public let error: TransportError

    /// - Parameters:
    ///   - address: without `/p2p`.
    ///   - error: why it failed.
    public init(address: Multiaddr, error: TransportError) {
        self.address = address
        self.error = error
    }

    /// Address and reason, for people.
    public var description: String { "\(self.address): \(self.error)" }
}
