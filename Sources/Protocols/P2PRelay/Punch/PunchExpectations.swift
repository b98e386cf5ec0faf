import P2PIdentity
import P2PMultiaddr

/// From where the other sides' packets may meet a listener of this node's, and whose they are then: an address is one peer's at a time.
struct PunchExpectations {
    private struct Expectation {
        let peer: PeerID
        var count = 0
    }

    private var expectations: [Multiaddr: Expectation] = [:]

    /// Who is expected where.
    var peers: [Multiaddr: PeerID] { self.expectations.mapValues(\.peer) }

    /// Expects a peer there, until as many ``forget(_:of:)`` have followed; false where somebody else is expected already.
    mutating func expect(_ address: Multiaddr, of peer: PeerID) -> Bool {
        var expectation = self.expectations[address] ?? Expectation(peer: peer)
        guard expectation.peer == peer else { return false }
        expectation.count += 1
        self.expectations[address] = expectation
        return true
    }

    /// Takes one ``expect(_:of:)`` back; false where the peer is not expected any more.
    mutating func forget(_ address: Multiaddr, of peer: PeerID) -> Bool {
        guard let expectation = self.expectations[address], expectation.peer == peer else { return false }
        if expectation.count > 1 { self.expectations[address]?.count -= 1 } else { self.expectations[address] = nil }
        return true
    }

    /// Nobody is expected there any more. Who was, and how many times; nil when nobody was.
    mutating func forgetAll(at address: Multiaddr) -> (peer: PeerID, count: Int)? {
        self.expectations.removeValue(forKey: address).map { ($0.peer, $0.count) }
    }
}
