package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// Remembers nobody.
package struct ForgetfulPeerstore: Peerstore {
    package var metPeerTimeToLive: Duration { .seconds(1) }

    package func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {}
    package func addresses(of peer: PeerID) async -> [Multiaddr] { [] }
    package func remember(_ introduction: Introduction, of peer: PeerID) async {}
    package func introduction(of peer: PeerID) async -> Introduction? { nil }
    package func saw(_ peer: PeerID) async {}
    package func lastSeen(of peer: PeerID) async -> Int64? { nil }
    package func peers() async -> [PeerID] { [] }
    package func forget(_ peer: PeerID) async {}
    package func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {}
    package func metadata(named name: String, of peer: PeerID) async -> [UInt8]? { nil }
}

/// Counts nothing.
package struct BoundlessResources: ResourceManager {
    package func reservePending(
        from address: Multiaddr, progress: ArrivalProgress?, at now: NIODeadline
    ) throws(LimitError) -> PendingPlace { PendingPlace(Reservation {}) }

    package func reserveConnection(to peer: PeerID, at address: Multiaddr, role: ConnectionRole) throws(LimitError) -> Reservation {
        Reservation {}
    }

    package func reserveStream(of protocolID: ProtocolID, from peer: PeerID, limit: Int) throws(LimitError) -> Reservation {
        Reservation {}
    }
}
