import P2PCore
import P2PMultiaddr

/// An address that a dial is told of.
struct DialCandidate: Sendable {
    /// With or without `/p2p`.
    let address: Multiaddr
    /// Why it is not to be tried.
    let objection: TransportError?
    /// What speaks for it.
    let known: KnownAddress

    init(_ address: Multiaddr, objection: TransportError? = nil) {
        self.init(KnownAddress(address, source: .given), objection: objection)
    }

    init(_ known: KnownAddress, objection: TransportError?) {
        self.address = known.address
        self.objection = objection
        self.known = known
    }
}
