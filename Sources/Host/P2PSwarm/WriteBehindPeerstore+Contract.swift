package import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// For the application: each method sees what the host has learnt before.
extension WriteBehindPeerstore: Peerstore {
    package var metPeerTimeToLive: Duration { self.store.metPeerTimeToLive }

    package func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
        await self.settled()
        await self.store.add(addresses, of: peer, source: source, timeToLive: timeToLive)
    }

    package func addresses(of peer: PeerID) async -> [Multiaddr] {
        await self.settled()
        return await self.store.addresses(of: peer)
    }

    package func knownAddresses(of peer: PeerID) async -> [KnownAddress] {
        await self.settled()
        return await self.store.knownAddresses(of: peer)
    }

    package func apply(_ changes: [PeerChange]) async {
        await self.settled()
        await self.store.apply(changes)
    }

    package func remember(_ introduction: Introduction, of peer: PeerID) async {
        await self.settled()
        await self.store.remember(introduction, of: peer)
    }

    package func introduction(of peer: PeerID) async -> Introduction? {
        await self.settled()
        return await self.store.introduction(of: peer)
    }

    package func saw(_ peer: PeerID) async {
        await self.settled()
        await self.store.saw(peer)
    }

    package func lastSeen(of peer: PeerID) async -> Int64? {
        await self.settled()
        return await self.store.lastSeen(of: peer)
    }

    package func peers() async -> [PeerID] {
        await self.settled()
        return await self.store.peers()
    }

    package func forget(_ peer: PeerID) async {
        await self.settled()
        await self.store.forget(peer)
    }

    package func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {
        await self.settled()
        try await self.store.setMetadata(value, named: name, of: peer)
    }

    package func metadata(named name: String, of peer: PeerID) async -> [UInt8]? {
        await self.settled()
        return await self.store.metadata(named: name, of: peer)
    }
}
