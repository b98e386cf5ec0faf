import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization

/// A peerstore that counts how often it is written, and can be held up.
final class CountingPeerstore: Peerstore {
    let written: MemoryPeerstore
    /// Calls with changes, and the changes in them.
    let writes = Atomic<Int>(0)
    let changes = Atomic<Int>(0)
    /// A write has begun.
    let reached = Signal()
    /// Holds up the writes until it fires; nil lets them pass.
    let isBusy = Mutex<Signal?>(nil)

    init(clock: HostClock) {
        self.written = MemoryPeerstore(maximumPeers: 100_000, clock: clock)
    }

    func apply(_ changes: [PeerChange]) async {
        self.reached.fire()
        await self.isBusy.withLock { $0 }?.wait()
        self.writes.wrappingAdd(1, ordering: .relaxed)
        self.changes.wrappingAdd(changes.count, ordering: .relaxed)
        await self.written.apply(changes)
    }

    func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
        await self.written.add(addresses, of: peer, source: source, timeToLive: timeToLive)
    }

    func addresses(of peer: PeerID) async -> [Multiaddr] { await self.written.addresses(of: peer) }
    func knownAddresses(of peer: PeerID) async -> [KnownAddress] { await self.written.knownAddresses(of: peer) }
    func remember(_ introduction: Introduction, of peer: PeerID) async { await self.written.remember(introduction, of: peer) }
    func introduction(of peer: PeerID) async -> Introduction? { await self.written.introduction(of: peer) }
    func saw(_ peer: PeerID) async { await self.written.saw(peer) }
    func lastSeen(of peer: PeerID) async -> Int64? { await self.written.lastSeen(of: peer) }
    func peers() async -> [PeerID] { await self.written.peers() }
    func forget(_ peer: PeerID) async { await self.written.forget(peer) }

    func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {
        try await self.written.setMetadata(value, named: name, of: peer)
    }

    func metadata(named name: String, of peer: PeerID) async -> [UInt8]? { await self.written.metadata(named: name, of: peer) }
}
