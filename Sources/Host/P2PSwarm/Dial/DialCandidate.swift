import P2PCore
import P2PMultiaddr

/// An address that a dial is told of.
struct DialCandidate: Sendable {
    /// With or without `/p2p`.
    let address: Multiaddr
    /// Why it is not to be tried.
    let objection: TransportError?

    init(_ address: Multiaddr, objection: TransportError? = nil) {
        self.address = address
        self.objection = objection
    }
}
