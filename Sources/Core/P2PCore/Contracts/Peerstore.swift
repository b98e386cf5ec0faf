public import P2PIdentity
public import P2PMultiaddr

/// Remembers peers: where they are, what they serve, when they were last seen.
///
/// Bounded: when there are too many peers, those that this node has never been connected to make room first, and among equals the one
/// that was touched longest ago.
///
/// A change is made even when the task that asks for it has been cancelled. A read is cut short then: it returns at once, with nothing if need be.
public protocol Peerstore: Sendable {
    /// For how long addresses are worth keeping of a peer that this node has been connected to; the host passes it to
    /// ``add(_:of:source:timeToLive:)``.
    var metPeerTimeToLive: Duration { get }

    /// Adds addresses, or prolongs them; a shorter time to live never shortens a longer one.
    func add(_ addresses: [Multiaddr], of peer: PeerID, source: AddressSource, timeToLive: Duration) async
    /// Addresses that have not expired, without `/p2p`, the most reliable first.
    func addresses(of peer: PeerID) async -> [Multiaddr]
    /// The same addresses in the same order, each with what speaks for it: a host dials what holds where it is.
    func knownAddresses(of peer: PeerID) async -> [KnownAddress]

    /// Stores what has become known of several peers, of each at most once, in as few steps as it can. Each change is made as the methods
    /// below and above would: seen, the introduction, the addresses, and those that the peer told prolonged.
    func apply(_ changes: [PeerChange]) async

    /// What the peer said of itself when it was last connected. Addresses that only the peer itself had told, and tells no more, are forgotten.
    func remember(_ introduction: Introduction, of peer: PeerID) async
    /// What is known, or nil.
    func introduction(of peer: PeerID) async -> Introduction?
    /// A connection to the peer has begun, or ended.
    func saw(_ peer: PeerID) async
    /// When a connection to the peer last began or ended, in seconds since 1970; nil for never.
    func lastSeen(of peer: PeerID) async -> Int64?
    /// Every peer that has an address, the one that was touched last first.
    func peers() async -> [PeerID]
    /// Forgets a peer wholly.
    func forget(_ peer: PeerID) async

    /// Keeps something of the application's own about a peer until the peer is forgotten or makes room; nil removes it.
    ///
    /// - Throws: ``PeerstoreError`` (`.tooLarge`) beyond the store's limits, ``PeerstoreError`` (`.unavailable`) when it can't be written.
    func setMetadata(_ value: [UInt8]?, named name: String, of peer: PeerID) async throws(PeerstoreError)
    /// What ``setMetadata(_:named:of:)`` kept, or nil.
    func metadata(named name: String, of peer: PeerID) async -> [UInt8]?
}

extension Peerstore {
    /// Half an hour: a process that forgets everything at its end has little use for more.
    public var metPeerTimeToLive: Duration { .seconds(30 * 60) }

    /// For stores that keep addresses alone: as if this node had been connected there.
    public func knownAddresses(of peer: PeerID) async -> [KnownAddress] {
        await self.addresses(of: peer).map { KnownAddress($0, source: .connected) }
    }

    /// One method after the other, for stores that have nothing quicker.
    public func apply(_ changes: [PeerChange]) async {
        for change in changes {
            if change.isSeen { await self.saw(change.peer) }
            if let introduction = change.introduction { await self.remember(introduction, of: change.peer) }
            for addition in change.additions {
                await self.add([addition.known.address], of: change.peer, source: addition.known.source, timeToLive: addition.timeToLive)
            }
            guard let renewal = change.renewal, let introduction = await self.introduction(of: change.peer) else { continue }
            await self.add(
                introduction.listenAddresses, of: change.peer, source: introduction.signedRecord == nil ? .identify : .certified,
                timeToLive: renewal)
        }
    }
}

/// Where an address came from.
public enum AddressSource: String, Sendable, Hashable, CaseIterable {
    /// The user or application gave it.
    case given
    /// A connection was made there.
    case connected
    /// The peer said so in identify, unsigned.
    case identify
    /// The peer said so in a signed record.
    case certified
    /// Local discovery found it.
    case discovery

    /// Zero for what was proved, more for what was merely said.
    package var reliability: Int {
        switch self {
        case .connected: 0
        case .given: 1
        case .certified: 2
        case .discovery: 3
        case .identify: 4
        }
    }
}
