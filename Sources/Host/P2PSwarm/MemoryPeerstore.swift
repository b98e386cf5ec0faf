import NIOCore
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr
import Synchronization

/// Remembers peers for as long as the process lives, within bounds.
public final class MemoryPeerstore: Peerstore {
    private struct Record {
        let address: Multiaddr
        var source: AddressSource
        var expiresAt: NIODeadline
    }

    private struct Entry {
        var records: [Record] = []
        var introduction: Introduction?
        var touched: UInt64 = 0
    }

    private struct State {
        var entries: [PeerID: Entry] = [:]
        var touches: UInt64 = 0
    }

    /// Peers that are remembered; the one that was touched longest ago makes room.
    public let maximumPeers: Int
    /// Addresses of one peer; the one that expires first makes room.
    public let maximumAddressesPerPeer: Int

    private let clock: SwarmClock
    private let state = Mutex(State())

    /// - Parameters:
    ///   - maximumPeers: at least one.
    ///   - maximumAddressesPerPeer: at least one.
    public convenience init(maximumPeers: Int = 1_024, maximumAddressesPerPeer: Int = 32) {
        self.init(maximumPeers: maximumPeers, maximumAddressesPerPeer: maximumAddressesPerPeer, clock: .system)
    }

    package init(maximumPeers: Int = 1_024, maximumAddressesPerPeer: Int = 32, clock: SwarmClock) {
        self.maximumPeers = max(1, maximumPeers)
        self.maximumAddressesPerPeer = max(1, maximumAddressesPerPeer)
        self.clock = clock
    }

    /// Adds addresses, or prolongs them; a shorter time to live never shortens a longer one.
    public func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
        let now = self.clock.now()
        let expiresAt = now.advanced(by: timeToLive)
        guard expiresAt > now else { return }
        self.change(peer) { entry in
            entry.records.removeAll { $0.expiresAt <= now }
            for address in addresses {
                self.insert(Record(address: address.withoutPeerID, source: source, expiresAt: expiresAt), into: &entry.records)
            }
        }
    }

    private func insert(_ record: Record, into records: inout [Record]) {
        if let index = records.firstIndex(where: { $0.address == record.address }) {
            records[index].expiresAt = max(records[index].expiresAt, record.expiresAt)
            if record.source.reliability < records[index].source.reliability { records[index].source = record.source }
            return
        }
        records.append(record)
        guard records.count > self.maximumAddressesPerPeer else { return }
        let leaving = records.indices.min { left, right in
            (records[left].expiresAt, -records[left].source.reliability) < (records[right].expiresAt, -records[right].source.reliability)
        }
        if let leaving { records.remove(at: leaving) }
    }

    /// The most reliable ones first.
    public func addresses(of peer: PeerID) async -> [Multiaddr] {
        let now = self.clock.now()
        let records = self.state.withLock { $0.entries[peer]?.records ?? [] }.filter { $0.expiresAt > now }
        return records.enumerated()
            .sorted { ($0.element.source.reliability, $0.offset) < ($1.element.source.reliability, $1.offset) }
            .map(\.element.address)
    }

    /// What the peer said of itself when it was last connected.
    public func remember(_ introduction: Introduction, of peer: PeerID) async {
        self.change(peer) { $0.introduction = introduction }
    }

    /// What is known, or nil.
    public func introduction(of peer: PeerID) async -> Introduction? {
        self.state.withLock { $0.entries[peer]?.introduction }
    }

    /// Every peer that has an address, in no order.
    public func peers() async -> [PeerID] {
        let now = self.clock.now()
        return self.state.withLock { state in
            state.entries.filter { $0.value.records.contains { $0.expiresAt > now } }.map(\.key)
        }
    }

    /// Forgets a peer wholly.
    public func forget(_ peer: PeerID) async {
        self.state.withLock { $0.entries[peer] = nil }
    }

    private func change(_ peer: PeerID, _ change: (inout Entry) -> Void) {
        self.state.withLock { state in
            if state.entries[peer] == nil, state.entries.count >= self.maximumPeers,
                let oldest = state.entries.min(by: { $0.value.touched < $1.value.touched })
            {
                state.entries[oldest.key] = nil
            }
            state.touches += 1
            change(&state.entries[peer, default: Entry()])
            state.entries[peer]?.touched = state.touches
        }
    }
}

extension AddressSource {
    /// Zero for what was proved, more for what was merely said.
    fileprivate var reliability: Int {
        switch self {
        case .connected: 0
        case .given: 1
        case .certified: 2
        case .discovery: 3
        case .identify: 4
        }
    }
}
