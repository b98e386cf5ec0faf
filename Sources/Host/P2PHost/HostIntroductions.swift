import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization

/// What a host says of itself, and what peers have said: identify's side of it.
final class HostIntroductions: PeerIntroducing {
    /// Addresses of one introduction that are looked at.
    private static let toldAddressLimit = 64
    /// Protocols of one introduction that are remembered.
    private static let toldProtocolLimit = 1_024

    private let identity: any IdentityKey
    private let configuration: HostConfiguration
    private let swarm: Swarm
    private let registry: ProtocolRegistry
    private let contributors: [any AddressContributing]
    private let observed: Mutex<ObservedAddresses>
    private let ownRecord: OwnRecord
    private let changes: NewestBroadcast<Void>

    init(
        identity: any IdentityKey, configuration: HostConfiguration, swarm: Swarm, registry: ProtocolRegistry,
        contributors: [any AddressContributing], changes: NewestBroadcast<Void>
    ) {
        self.identity = identity
        self.configuration = configuration
        self.swarm = swarm
        self.registry = registry
        self.contributors = contributors
        self.observed = Mutex(ObservedAddresses(observersNeeded: configuration.observersNeeded))
        self.ownRecord = OwnRecord(identity: identity)
        self.changes = changes
    }

    // MARK: What this node says

    /// Where this node listens, what its modules know beyond that, and where enough peers see it; without `/p2p`.
    var announcedAddresses: [Multiaddr] {
        var addresses = self.swarm.listenAddresses
        var known = Set(addresses)
        for more in self.contributors.map(\.addresses) + [self.observed.withLock { $0.confirmed }] {
            for address in more.lazy.map(\.withoutPeerID) where known.insert(address).inserted { addresses.append(address) }
        }
        return addresses
    }

    /// What this node says about itself to the peer of `connection`: of its addresses those that mean this node there. The peer record in it is signed once for each change of the addresses.
    func introduction(to connection: ConnectionInfo) async -> Introduction {
        self.expireObservations()
        let addresses = self.announcedAddresses
        let (judge, meeting) = (self.swarm.judge, Meeting(connection))
        var told: [Multiaddr] = []
        for address in addresses.lazy.compactMap({ judge.told($0, at: meeting) }) where !told.contains(address) { told.append(address) }
        return Introduction(
            publicKey: self.identity.publicKey, listenAddresses: told, protocols: self.registry.served.protocolIDs(for: connection),
            observedAddress: connection.remoteAddress.withoutZone, protocolVersion: self.configuration.protocolVersion,
            agentVersion: self.configuration.agentVersion, signedRecord: await self.ownRecord.envelope(for: told, of: addresses))
    }

    /// Yields whenever this node has something new to say about itself.
    var introductionChanges: AsyncStream<Void> { self.changes.subscribe() }

    /// Follows the addresses that modules contribute, until the task is cancelled.
    func followContributors() async {
        await withDiscardingTaskGroup { group in
            for contributor in self.contributors {
                group.addTask {
                    for await _ in contributor.addressChanges { self.changes.post() }
                }
            }
        }
    }

    // MARK: What peers say

    /// Remembers what a peer says about itself, for later dials and streams: of its addresses those that are to be believed from where it
    /// was met.
    func introduced(_ introduction: Introduction, on connection: ConnectionInfo) async {
        guard let entry = self.swarm.connection(connection.id) else { return }
        entry.protocols = Set(introduction.protocols.prefix(Self.toldProtocolLimit))
        let (judge, meeting) = (self.swarm.judge, Meeting(connection))
        var introduction = introduction
        introduction.listenAddresses = introduction.listenAddresses.prefix(Self.toldAddressLimit)
            .compactMap { judge.believed($0, toldAt: meeting) }
        var change = PeerChange(of: connection.remotePeer)
        change.isSeen = true
        change.introduction = introduction
        change.origin = judge.origin(of: meeting)
        let source = introduction.signedRecord == nil ? AddressSource.identify : .certified
        for address in introduction.listenAddresses {
            let known = KnownAddress(address, source: source, origin: judge.origin(of: address, toldAt: meeting))
            change.add(known, timeToLive: self.swarm.peerstore.metPeerTimeToLive)
        }
        self.swarm.peerstore.later(change)
        if let observed = introduction.observedAddress?.withoutPeerID, judge.believed(observed, toldAt: meeting) != nil {
            self.note(observed, by: connection)
        }
        self.swarm.events.post(.identified(connection, introduction))
        // A peer may introduce itself as often as the store keeps up with.
        await self.swarm.peerstore.settled()
    }

    /// A connection is over: from now on counts for how long its peer's addresses are kept.
    func renewMemory(of entry: ConnectionEntry) {
        var change = self.swarm.sighting(of: entry.info)
        // A peer that was not identified on this connection has told nothing that would be true now.
        if entry.protocols != nil { change.renewal = self.swarm.peerstore.metPeerTimeToLive }
        self.swarm.peerstore.later(change)
    }

    /// Counts where a peer sees this node, if others may find it there as well.
    private func note(_ observed: Multiaddr, by connection: ConnectionInfo) {
        guard ObservedAddresses.counts(observed, on: connection, listening: self.swarm.listenAddresses) else { return }
        self.expireObservations()
        let now = self.swarm.clock.now()
        let isChange = self.observed.withLock { $0.observe(observed, by: connection.remoteAddress, on: connection.id, at: now) }
        if isChange { self.changes.post() }
    }

    /// Looked at whenever there is a new observation, or somebody to tell.
    private func expireObservations() {
        let now = self.swarm.clock.now()
        let isChange = self.observed.withLock { $0.expire(at: now) { self.swarm.connection($0) != nil } }
        if isChange { self.changes.post() }
    }

    /// Where peers see this node.
    var observedAddresses: [ObservedAddress] {
        self.expireObservations()
        return self.observed.withLock { $0.all }
    }

    /// The connections to peers that serve `protocolID`.
    func connections(serving protocolID: ProtocolID) async -> [ConnectionInfo] {
        self.swarm.connections.filter { $0.protocols?.contains(protocolID) == true }.map(\.info)
    }

    /// What the peer said when it was last connected.
    func knownIntroduction(of peer: PeerID) async -> Introduction? {
        await self.swarm.peerstore.introduction(of: peer)
    }
}
