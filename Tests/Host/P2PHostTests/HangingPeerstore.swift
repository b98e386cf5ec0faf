import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm

/// A peerstore on a disk that hangs until it is freed; reads heed their cancellation, changes do not.
final class HangingPeerstore: Peerstore {
    /// What has been written.
    let written: MemoryPeerstore
    /// The first change has come to the disk.
    let reached = Signal()
    private let freed = Signal()
    private let readsHang: Bool

    init(clock: HostClock, readsHang: Bool = true) {
        self.written = MemoryPeerstore(maximumPeers: 100_000, clock: clock)
        self.readsHang = readsHang
    }

    func free() { self.freed.fire() }

    private func write() async {
        self.reached.fire()
        await Task { await self.freed.wait() }.value
    }

    private func read() async {
        if self.readsHang { await self.freed.wait() }
    }

    func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
        await self.write()
        await self.written.add(addresses, of: peer, source: source, timeToLive: timeToLive)
    }

    func addresses(of peer: PeerID) async -> [Multiaddr] {
        await self.read()
        return await self.written.addresses(of: peer)
    }

    func remember(_ introduction: Introduction, of peer: PeerID) async {
        await self.write()
        await self.written.remember(introduction, of: peer)
    }

    func introduction(of peer: PeerID) async -> Introduction? {
        await self.read()
        return await self.written.introduction(of: peer)
    }

    func saw(_ peer: PeerID) async {
        await self.write()
        await self.written.saw(peer)
    }

    func lastSeen(of peer: PeerID) async -> Int64? {
        await self.read()
        return await self.written.lastSeen(of: peer)
    }

    func peers() async -> [PeerID] {
        await self.read()
        return await self.written.peers()
    }

    func forget(_ peer: PeerID) async {
        await self.write()
        await self.written.forget(peer)
    }

    func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {
        await self.write()
        try await self.written.setMetadata(value, named: name, of: peer)
    }

    func metadata(named name: String, of peer: PeerID) async -> [UInt8]? {
        await self.read()
        return await self.written.metadata(named: name, of: peer)
    }
}
