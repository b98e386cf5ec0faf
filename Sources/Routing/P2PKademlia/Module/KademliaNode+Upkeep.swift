import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// The tasks of a table: it takes in who introduces itself, and looks through the table.
extension KademliaNode {
    /// How long a peer of the table may be silent before it is asked: for so long a lookup that asks one of three does not come by it (go's
    /// figure for α 10, k 20 and a refresh of ten minutes).
    private static let grace = Duration.seconds(43 * 60)
    /// While so few peers are known, the table is looked through more often.
    private static let fewPeers = 10
    private static let impatience = Duration.seconds(120)
    /// How long nobody is looked for again, when there is nobody at all: a second at first, since the way in may only have been busy, then twice as long each time.
    private static let loneliness = Duration.seconds(15)
    /// Peers of the peerstore that are tried when nobody is known.
    private static let rememberedPeers = 32

    func run() async {
        self.state.withLock { state in
            state.joining = Signal()
            state.kept = KeptStreams()
        }
        await self.restore()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watch() }
            group.addTask { await self.lookThrough() }
            group.addTask { await self.republish() }
            group.addTask { await self.work() }
            group.addTask { await self.writeDown() }
            group.addTask { await self.finishKept() }
        }
        self.noteJoined()
        // Streams that nobody uses would hold the host's end up, on either side.
        let kept = self.state.withLock { state in
            defer { state.kept = nil }
            return state.kept
        }
        kept?.reset()
        self.setServer(false)
        await self.save()
    }

    /// Look-ups that were waiting for it go on.
    private func noteJoined() {
        let joining = self.state.withLock { state in
            defer { state.joining = nil }
            return state.joining
        }
        joining?.fire()
    }

    // MARK: Who comes

    private func watch() async {
        let events = self.host.events()
        await withDiscardingTaskGroup { group in
            for connection in await self.host.introductions.connections(serving: self.configuration.protocolID) {
                if self.begin(checking: connection.remotePeer) { group.addTask { await self.check(connection.remotePeer, at: []) } }
            }
            for await event in events {
                guard case .identified(let connection, let introduction) = event else { continue }
                let peer = connection.remotePeer
                guard introduction.protocols.contains(self.configuration.protocolID) else {
                    self.remove(peer)
                    continue
                }
                let addresses = introduction.listenAddresses
                if self.state.withLock({ $0.table.contains(peer) }) {
                    self.offer(peer, at: addresses.filter(self.configuration.addresses.admits))
                } else if self.begin(checking: peer) {
                    group.addTask { await self.check(peer, at: addresses) }
                }
            }
        }
    }

    /// Whether a newcomer is to be checked: there is room for it, and not too many are.
    private func begin(checking peer: PeerID) -> Bool {
        self.state.withLock { state in
            state.checks.count < KademliaLimits.checks && state.table.wants(peer) && state.checks.insert(peer).inserted
        }
    }

    /// Asks a newcomer for this node: whoever knows nobody, while others are known, is of no use in the table (go-libp2p-kad-dht, "lookup check").
    private func check(_ peer: PeerID, at addresses: [Multiaddr]) async {
        defer { self.state.withLock { _ = $0.checks.remove(peer) } }
        _ = await self.ask(peer, at: addresses.map { KnownAddress($0, source: .identify) }, isCheck: true)
    }

    /// - Returns: whether it has answered.
    @discardableResult
    private func ask(_ peer: PeerID, at addresses: [KnownAddress], isCheck: Bool) async -> Bool {
        do throws(StreamError) {
            let reply = try await self.ask(Lookup.Contact(peer, at: addresses), KademliaMessage(.findNode, key: self.ownPeer.bytes))
            let knowsEnough = self.state.withLock { $0.table.count >= self.configuration.replication }
            guard !isCheck || !knowsEnough || !reply.message.closer.isEmpty else { return true }
            self.answered(peer, on: reply.connection, heard: addresses.map(\.address))
            return true
        } catch {
            return false
        }
    }

    // MARK: The table

    private func lookThrough() async {
        await self.bootstrap()
        if !self.configuration.bootstrap.isEmpty { self.bootstrapped.fire() }
        var lonely = Duration.seconds(1)
        while !Task.isCancelled {
            try? await self.refresh()
            let count = self.state.withLock { $0.table.count }
            if count > 0 || self.configuration.bootstrap.isEmpty { lonely = Self.loneliness }
            defer { lonely = min(Self.loneliness, lonely * 2) }
            let pause = count == 0 ? lonely : count <= Self.fewPeers ? Self.impatience : self.configuration.refreshInterval
            _ = await self.clock.result(by: self.clock.now().advanced(by: min(pause, self.configuration.refreshInterval))) {
                await self.kicks.next()
            }
            if self.state.withLock({ $0.table.isEmpty }) { await self.bootstrap() }
        }
    }

    /// Asks those that it was told of, and those that the peerstore remembers as members of the network: what it held before the process began anew is
    /// looked at, not trusted.
    private func bootstrap() async {
        var known: [PeerID: [Multiaddr]] = [:]
        for address in self.configuration.bootstrap {
            if let peer = address.peerID, peer != self.ownPeer { known[peer, default: []].append(address.withoutPeerID) }
        }
        let members = self.state.withLock { $0.remembered }.filter { known[$0.peer] == nil }
        let memberIDs = Set(members.map(\.peer))
        var remembered: [PeerID] = []
        for peer in await self.host.peerstore.peers() where known[peer] == nil && !memberIDs.contains(peer) {
            guard remembered.count < Self.rememberedPeers else { break }
            let introduction = await self.host.peerstore.introduction(of: peer)
            if introduction?.protocols.contains(self.configuration.protocolID) == true { remembered.append(peer) }
        }
        await withDiscardingTaskGroup { group in
            for (peer, addresses) in known {
                group.addTask { await self.ask(peer, at: addresses.map { KnownAddress($0, source: .given) }, isCheck: false) }
            }
            for peer in remembered {
                group.addTask {
                    let addresses = await self.host.peerstore.knownAddresses(of: peer)
                    if !addresses.isEmpty { await self.ask(peer, at: addresses, isCheck: true) }
                }
            }
            group.addTask { await self.ask(members) }
        }
    }

    /// Asks those that were in the table before the process began anew, some at a time: whoever answers is in it again, and whoever does not is remembered no more.
    private func ask(_ members: [KademliaContact]) async {
        let silent = await withTaskGroup(of: PeerID?.self) { group in
            var silent: Set<PeerID> = []
            for (number, member) in members.enumerated() {
                if number >= Self.rememberedPeers, let peer = await group.next() ?? nil { silent.insert(peer) }
                group.addTask {
                    let addresses = member.addresses.map { KnownAddress($0, source: .identify) }
                    return await self.ask(member.peer, at: addresses, isCheck: true) ? nil : member.peer
                }
            }
            for await case .some(let peer) in group { silent.insert(peer) }
            return silent
        }
        if Task.isCancelled { return }
        self.state.withLock { state in
            // When nobody answers, it is this node that is cut off.
            guard !state.table.isEmpty, !silent.isEmpty else { return }
            state.remembered.removeAll { silent.contains($0.peer) }
            state.savedTable = nil
        }
    }

    func refresh() async throws(KademliaError) {
        let now = self.clock.now()
        guard !self.state.withLock({ $0.table.isEmpty }) else { throw KademliaError(.noPeers, "the table is empty") }
        await self.askSilent()
        // First its own place: that shows which buckets there are.
        try await self.lookUpSelf()
        self.noteJoined()
        let buckets = self.state.withLock { $0.table.bucketsToRefresh(every: self.configuration.refreshInterval, at: now) }
        try await self.lookThrough(buckets)
        // Those that did not answer have kept others out.
        if await self.askSilent() > 0 {
            try await self.lookUpSelf()
            try await self.lookThrough(buckets)
        }
        self.change { state in
            state.values.expire(at: now)
            state.providers.expire(at: now)
        }
    }

    private func lookUpSelf() async throws(KademliaError) {
        _ = try await self.walkOnce(to: self.ownPeer.bytes, asking: KademliaMessage(.findNode, key: self.ownPeer.bytes), onEvent: { _ in })
    }

    /// Looks up a key in each of the buckets.
    private func lookThrough(_ buckets: [Int]) async throws(KademliaError) {
        // Another key each time, and the same ones when a simulation is repeated.
        let start = self.clock.now().uptimeNanoseconds / 1_000_000 << 4
        for bucket in buckets {
            guard let key = RoutingTable.key(in: bucket, of: self.ownPoint, startingAt: start &+ UInt64(bucket) << 32) else { continue }
            _ = try await self.walkOnce(to: key, asking: KademliaMessage(.findNode, key: key), onEvent: { _ in })
        }
    }

    /// Asks those that have been silent for long, or in a look-up.
    ///
    /// - Returns: how many are gone.
    @discardableResult
    private func askSilent() async -> Int {
        let now = self.clock.now()
        let silent = self.state.withLock { $0.table.silent(for: Self.grace, at: now) }
        return await withTaskGroup(of: Bool.self) { group in
            for contact in silent {
                group.addTask {
                    let addresses = contact.addresses.map { KnownAddress($0, source: .identify) }
                    guard await !self.ask(contact.peer, at: addresses, isCheck: false), !Task.isCancelled else { return false }
                    self.remove(contact.peer)
                    return true
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
    }
}
