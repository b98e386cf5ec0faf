import NIOCore
public import P2PCore
public import P2PIdentity
public import P2PMultiaddr
import Synchronization

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Remembers peers for as long as the process lives, within bounds.
public final class MemoryPeerstore: Peerstore {
    private struct Record {
        let address: Multiaddr
        var source: AddressSource
        var origin: AddressOrigin?
        var expiresAt: NIODeadline
    }

    private struct Entry {
        var records: [Record] = []
        var introduction: Introduction?
        /// Where it introduced itself.
        var origin: AddressOrigin?
        var lastSeen: Int64?
        var metadata: [String: [UInt8]] = [:]
        var touched: UInt64 = 0
        /// Of the introduction.
        var toldBytes = 0
        /// What the peer counts for.
        var heldBytes = 0

        /// What the peer takes up.
        var size: Int {
            var bytes = PeerSizes.peer + self.toldBytes
            for record in self.records { bytes += PeerSizes.address + record.address.bytes.count }
            for (name, value) in self.metadata { bytes += 2 * PeerSizes.array + name.utf8.count + value.count }
            return bytes
        }
    }

    private struct State {
        var entries: [PeerID: Entry] = [:]
        var touches: UInt64 = 0
        /// What all of them count for.
        var heldBytes = 0
        /// Where that counts as well; nil before there is a host.
        var memory: HeldMemory?

        mutating func count(_ change: Int) {
            self.heldBytes += change
            self.memory?.keep(change)
        }

        mutating func remove(_ peer: PeerID) {
            guard let entry = self.entries.removeValue(forKey: peer) else { return }
            self.count(-entry.heldBytes)
        }

        /// Whom least is to be expected of: those that were never connected, and of equals the one that was touched longest ago.
        func leastValuable(but peer: PeerID) -> PeerID? {
            self.entries.lazy.filter { $0.key != peer }.min { left, right in
                (left.value.lastSeen == nil ? 0 : 1, left.value.touched) < (right.value.lastSeen == nil ? 0 : 1, right.value.touched)
            }?.key
        }
    }

    /// Peers that are remembered; one that was never connected makes room, or else the one that was touched longest ago.
    public let maximumPeers: Int
    /// Addresses of one peer; the one that expires first makes room.
    public let maximumAddressesPerPeer: Int
    /// Bytes that all of it may take up, roughly; peers make room as they do where there are too many.
    public let maximumBytes: Int

    private let clock: HostClock
    /// Seconds since 1970.
    private let date: @Sendable () -> Int64
    private let metadataLimits = MetadataLimits()
    private let state = Mutex(State())

    /// - Parameters:
    ///   - maximumPeers: at least one.
    ///   - maximumAddressesPerPeer: at least one.
    ///   - maximumBytes: one peer stays, whatever it takes up. A host's limit for what it keeps (`memoryKept`) counts besides.
    public convenience init(maximumPeers: Int = 1_024, maximumAddressesPerPeer: Int = 32, maximumBytes: Int = 32 * 1_024 * 1_024) {
        self.init(
            maximumPeers: maximumPeers, maximumAddressesPerPeer: maximumAddressesPerPeer, maximumBytes: maximumBytes, clock: .system)
    }

    /// - Parameter date: seconds since 1970.
    package init(
        maximumPeers: Int = 1_024, maximumAddressesPerPeer: Int = 32, maximumBytes: Int = 32 * 1_024 * 1_024, clock: HostClock,
        date: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    ) {
        self.maximumPeers = max(1, maximumPeers)
        self.maximumAddressesPerPeer = max(1, maximumAddressesPerPeer)
        self.maximumBytes = maximumBytes
        self.clock = clock
        self.date = date
    }

    deinit {
        self.state.withLock { state in state.memory?.keep(-state.heldBytes) }
    }

    /// What it holds counts for a host from now on.
    func count(in memory: HeldMemory) {
        self.state.withLock { state in
            state.memory?.keep(-state.heldBytes)
            state.memory = memory
            memory.keep(state.heldBytes)
        }
    }

    /// Bytes that all of it takes up, roughly.
    var heldBytes: Int { self.state.withLock { $0.heldBytes } }

    /// Adds addresses, or prolongs them; a shorter time to live never shortens a longer one.
    public func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async {
        var change = PeerChange(of: peer)
        for address in addresses { change.add(KnownAddress(address, source: source), timeToLive: timeToLive) }
        await self.apply([change])
    }

    /// Stores what has become known of several peers.
    public func apply(_ changes: [PeerChange]) async { self.store(changes) }

    /// The same, for whoever does not wait.
    func store(_ changes: [PeerChange]) {
        let (now, date) = (self.clock.now(), self.date())
        self.state.withLock { state in
            for change in changes {
                let additions = change.additions.filter { now.advanced(by: $0.timeToLive) > now }
                let changes = change.isSeen || change.introduction != nil || !additions.isEmpty
                guard changes || change.renewal != nil && state.entries[change.peer] != nil else { continue }
                self.change(change.peer, in: &state) { entry in
                    if change.isSeen { entry.lastSeen = date }
                    if let introduction = change.introduction { Self.remember(introduction, toldAt: change.origin, in: &entry) }
                    if let renewal = change.renewal { self.renew(&entry, until: now.advanced(by: renewal)) }
                    guard !additions.isEmpty else { return }
                    entry.records.removeAll { $0.expiresAt <= now }
                    for addition in additions {
                        let known = addition.known
                        self.insert(
                            Record(
                                address: known.address, source: known.source, origin: known.origin,
                                expiresAt: now.advanced(by: addition.timeToLive)),
                            into: &entry.records)
                    }
                }
            }
        }
    }

    private static func remember(_ introduction: Introduction, toldAt origin: AddressOrigin?, in entry: inout Entry) {
        let told = Set(introduction.listenAddresses.map(\.withoutPeerID))
        entry.introduction = introduction
        entry.toldBytes = introduction.heldBytes
        entry.origin = origin
        entry.records.removeAll { record in
            record.source.isTold && !told.contains(record.address)
                && (origin == nil || record.origin == nil || record.origin == origin || record.origin == .internet)
        }
    }

    /// What the peer told of itself holds for longer, also what had expired meanwhile.
    private func renew(_ entry: inout Entry, until expiresAt: NIODeadline) {
        guard let introduction = entry.introduction else { return }
        let source = introduction.signedRecord == nil ? AddressSource.identify : .certified
        for address in introduction.listenAddresses {
            let origin = address.reach == .internet ? .internet : entry.origin
            self.insert(
                Record(address: address.withoutPeerID, source: source, origin: origin, expiresAt: expiresAt), into: &entry.records)
        }
    }

    private func insert(_ record: Record, into records: inout [Record]) {
        if let index = records.firstIndex(where: { $0.address == record.address }) {
            records[index].expiresAt = max(records[index].expiresAt, record.expiresAt)
            if record.source.reliability < records[index].source.reliability { records[index].source = record.source }
            if let origin = record.origin { records[index].origin = origin }
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
        await self.knownAddresses(of: peer).map(\.address)
    }

    /// The most reliable ones first, each with what speaks for it.
    public func knownAddresses(of peer: PeerID) async -> [KnownAddress] {
        let now = self.clock.now()
        let records = self.state.withLock { $0.entries[peer]?.records ?? [] }.filter { $0.expiresAt > now }
        return records.enumerated()
            .sorted { ($0.element.source.reliability, $0.offset) < ($1.element.source.reliability, $1.offset) }
            .map { KnownAddress($0.element.address, source: $0.element.source, origin: $0.element.origin) }
    }

    /// What the peer said of itself when it was last connected.
    public func remember(_ introduction: Introduction, of peer: PeerID) async {
        var change = PeerChange(of: peer)
        change.introduction = introduction
        await self.apply([change])
    }

    /// What is known, or nil.
    public func introduction(of peer: PeerID) async -> Introduction? {
        self.state.withLock { $0.entries[peer]?.introduction }
    }

    /// A connection to the peer has begun, or ended.
    public func saw(_ peer: PeerID) async {
        var change = PeerChange(of: peer)
        change.isSeen = true
        await self.apply([change])
    }

    /// When that was last, in seconds since 1970.
    public func lastSeen(of peer: PeerID) async -> Int64? {
        self.state.withLock { $0.entries[peer]?.lastSeen }
    }

    /// Every peer that has an address, the one that was touched last first.
    public func peers() async -> [PeerID] {
        let now = self.clock.now()
        let entries = self.state.withLock { $0.entries }
        return entries.filter { $0.value.records.contains { $0.expiresAt > now } }
            .sorted { $0.value.touched > $1.value.touched }.map(\.key)
    }

    /// Forgets a peer wholly.
    public func forget(_ peer: PeerID) async {
        self.state.withLock { $0.remove(peer) }
    }

    /// Keeps something of the application's own about a peer, at most 32 entries of 4 KiB with their names; nil removes it.
    public func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError) {
        guard let value else {
            self.state.withLock { state in
                if state.entries[peer] != nil { self.change(peer, in: &state) { $0.metadata[name] = nil } }
            }
            return
        }
        let others = self.state.withLock { $0.entries[peer]?.metadata.keys.count { $0 != name } ?? 0 }
        try self.metadataLimits.check(value, named: name, others: others)
        self.state.withLock { self.change(peer, in: &$0) { $0.metadata[name] = value } }
    }

    /// What ``setMetadata(_:named:of:)`` kept, or nil.
    public func metadata(named name: String, of peer: PeerID) async -> [UInt8]? {
        self.state.withLock { $0.entries[peer]?.metadata[name] }
    }

    private func change(_ peer: PeerID, in state: inout State, _ change: (inout Entry) -> Void) {
        if state.entries[peer] == nil, state.entries.count >= self.maximumPeers, let leaving = state.leastValuable(but: peer) {
            state.remove(leaving)
        }
        state.touches += 1
        var entry = state.entries.removeValue(forKey: peer) ?? Entry()
        change(&entry)
        entry.touched = state.touches
        let size = entry.size
        state.count(size - entry.heldBytes)
        entry.heldBytes = size
        state.entries[peer] = entry
        while state.heldBytes > self.maximumBytes || state.memory?.keepsTooMuch == true, let leaving = state.leastValuable(but: peer) {
            state.remove(leaving)
            state.memory?.forgot()
        }
    }
}
