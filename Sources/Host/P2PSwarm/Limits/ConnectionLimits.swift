package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr
import Synchronization

/// Counts connections and streams exactly, and refuses beyond ``ResourceLimits``.
package final class ConnectionLimits: ResourceManager {
    /// What is counted now.
    package struct Counts: Sendable, Hashable {
        /// Arrivals whose handshakes are not done.
        package var pendingInbound = 0
        /// Connections, both ways.
        package var connections = 0
        /// Streams that peers opened and handlers serve.
        package var inboundStreams = 0

        /// Nothing.
        package init() {}
    }

    private struct StreamUse {
        var count = 0
        /// Made once, so that a stream costs no allocation here.
        let release: @Sendable () -> Void
    }

    private struct PeerUse {
        var connections = 0
        var inboundStreams = 0
        var protocols: [ProtocolID: StreamUse] = [:]

        var isIdle: Bool { self.connections == 0 && self.inboundStreams == 0 }
    }

    private struct State {
        var counts = Counts()
        /// Of the connections, those in the places for known networks.
        var allowed = 0
        var peers: [PeerID: PeerUse] = [:]
        /// Connections with each address.
        var addresses: [AddressKey: Int] = [:]
        /// The most of each.
        var peaks = Peaks()
        /// By the limit's name.
        var refusals: [String: Int] = [:]
    }

    private struct Peaks {
        var connections = 0
        var allowed = 0
        var ofPeer = 0
        var ofAddress = 0
        var streamsOfPeer = 0
        var streams = 0
    }

    /// The limits that it enforces.
    package let limits: ResourceLimits
    private let known: KnownNetworks
    private let door: ArrivalDoor
    private let state = Mutex(State())

    /// - Parameters:
    ///   - limits: never change.
    ///   - known: who has places of its own.
    package init(_ limits: ResourceLimits = ResourceLimits(), known: KnownNetworks = KnownNetworks()) {
        self.limits = limits
        self.known = known
        self.door = ArrivalDoor(
            ArrivalTable.Limits(
                "pendingInbound", total: limits.pendingInbound, perAddress: limits.pendingInboundPerAddress,
                known: limits.pendingInboundAllowed),
            known: known.allowed)
    }

    /// What is counted at this moment.
    package var counts: Counts {
        var counts = self.state.withLock { $0.counts }
        counts.pendingInbound = self.door.count
        return counts
    }

    /// Connections that are not in the places for those who are known.
    package var ordinaryConnections: Int { self.state.withLock { $0.counts.connections - $0.allowed } }

    /// Every limit that it enforces, and how near it is.
    package var uses: [LimitUse] {
        let (limits, door) = (self.limits, self.door)
        let pending = LimitUse(
            name: "pendingInbound", limit: limits.pendingInbound, use: door.count, peak: door.peak,
            refusals: door.refusals(by: "pendingInbound") + door.refusals(by: "pendingInboundPerAddress"))
        return self.state.withLock { state in
            let refusals = state.refusals
            func use(_ name: String, _ limit: Int, _ use: Int, _ peak: Int) -> LimitUse {
                LimitUse(name: name, limit: limit, use: use, peak: peak, refusals: refusals[name] ?? 0)
            }
            let (peers, peaks) = (state.peers.values, state.peaks)
            return [
                pending,
                use("connections", limits.connections, state.counts.connections - state.allowed, peaks.connections),
                use("connectionsAllowed", limits.connectionsAllowed, state.allowed, peaks.allowed),
                use("connectionsPerPeer", limits.connectionsPerPeer, peers.lazy.map(\.connections).max() ?? 0, peaks.ofPeer),
                use("connectionsPerAddress", limits.connectionsPerAddress, state.addresses.values.max() ?? 0, peaks.ofAddress),
                use(
                    "inboundStreamsPerPeer", limits.inboundStreamsPerPeer, peers.lazy.map(\.inboundStreams).max() ?? 0, peaks.streamsOfPeer),
                use("tasks", limits.tasks, state.counts.inboundStreams, peaks.streams),
            ]
        }
    }

    /// Peers and addresses that something is counted for.
    var trackedKeys: Int { self.state.withLock { $0.peers.count + $0.addresses.count } + self.door.addressCount }

    /// For an arrival, before any handshake. Where no place is left, the arrival that has shown least for longest loses its own.
    ///
    /// - Throws: `pendingInbound`, `pendingInboundPerAddress`, when nobody may be made to go.
    package func reservePending(
        from address: Multiaddr, progress: ArrivalProgress?, at now: NIODeadline
    ) throws(LimitError) -> PendingPlace {
        try self.door.place(for: address, progress, at: now)
    }

    /// For a connection whose peer has proved who it is.
    ///
    /// - Throws: `connections`, `connectionsPerPeer`, `connectionsPerAddress`.
    package func reserveConnection(to peer: PeerID, at address: Multiaddr, role: ConnectionRole) throws(LimitError) -> Reservation {
        let isKnown = self.known.allow(peer, at: address)
        let addressKey = AddressKey(address)
        let (isAllowed, key) = try self.counting { state throws(LimitError) -> (Bool, AddressKey?) in
            let isAllowed = isKnown && state.allowed < self.limits.connectionsAllowed
            let key = isAllowed ? nil : addressKey
            if !isAllowed { try Self.check(state.counts.connections - state.allowed, "connections", self.limits.connections) }
            try Self.check(state.peers[peer]?.connections ?? 0, "connectionsPerPeer", self.limits.connectionsPerPeer, of: .peer(peer))
            if let key {
                try Self.check(
                    state.addresses[key] ?? 0, "connectionsPerAddress", self.limits.connectionsPerAddress, of: .address(address))
                let count = state.addresses[key, default: 0] + 1
                state.addresses[key] = count
                state.peaks.ofAddress = max(state.peaks.ofAddress, count)
            }
            state.peers[peer, default: PeerUse()].connections += 1
            state.peaks.ofPeer = max(state.peaks.ofPeer, state.peers[peer]?.connections ?? 0)
            state.counts.connections += 1
            if isAllowed { state.allowed += 1 }
            state.peaks.allowed = max(state.peaks.allowed, state.allowed)
            state.peaks.connections = max(state.peaks.connections, state.counts.connections - state.allowed)
            return (isAllowed, key)
        }
        return Reservation {
            self.state.withLock { state in
                state.counts.connections -= 1
                if isAllowed { state.allowed -= 1 }
                Self.release(peer, in: &state) { $0.connections -= 1 }
                guard let key, let count = state.addresses[key] else { return }
                state.addresses[key] = count > 1 ? count - 1 : nil
            }
        }
    }

    /// For an inbound stream of a protocol.
    ///
    /// - Parameter limit: of the protocol, for this peer.
    /// - Throws: `inboundPerPeer`, `inboundStreamsPerPeer`, `tasks`.
    package func reserveStream(of protocolID: ProtocolID, from peer: PeerID, limit: Int) throws(LimitError) -> Reservation {
        // The closure comes out within its struct: returned bare, generic code would wrap it, an allocation each way.
        let use = try self.counting { state throws(LimitError) -> StreamUse in
            guard let index = state.peers.index(forKey: peer), let stream = state.peers.values[index].protocols.index(forKey: protocolID)
            else {
                let inUse = state.peers[peer]?.inboundStreams ?? 0
                try Self.check(inUse, "inboundStreamsPerPeer", self.limits.inboundStreamsPerPeer, of: .peer(peer))
                try self.checkTasks(inUse, state)
                try Self.check(0, "inboundPerPeer of \(protocolID)", limit, of: .peer(peer))
                let use = StreamUse(count: 1) { self.releaseStream(of: protocolID, from: peer) }
                state.peers[peer, default: PeerUse()].protocols[protocolID] = use
                state.peers[peer]?.inboundStreams += 1
                state.peaks.streamsOfPeer = max(state.peaks.streamsOfPeer, inUse + 1)
                state.counts.inboundStreams += 1
                state.peaks.streams = max(state.peaks.streams, state.counts.inboundStreams)
                return use
            }
            try Self.check(
                state.peers.values[index].inboundStreams, "inboundStreamsPerPeer", self.limits.inboundStreamsPerPeer, of: .peer(peer))
            try self.checkTasks(state.peers.values[index].inboundStreams, state)
            try Self.check(
                state.peers.values[index].protocols.values[stream].count, "inboundPerPeer of \(protocolID)", limit, of: .peer(peer))
            state.peers.values[index].protocols.values[stream].count += 1
            state.peers.values[index].inboundStreams += 1
            state.peaks.streamsOfPeer = max(state.peaks.streamsOfPeer, state.peers.values[index].inboundStreams)
            state.counts.inboundStreams += 1
            state.peaks.streams = max(state.peaks.streams, state.counts.inboundStreams)
            return state.peers.values[index].protocols.values[stream]
        }
        return Reservation(release: use.release)
    }

    private func releaseStream(of protocolID: ProtocolID, from peer: PeerID) {
        self.state.withLock { state in
            state.counts.inboundStreams -= 1
            guard let index = state.peers.index(forKey: peer) else { return }
            state.peers.values[index].inboundStreams -= 1
            if let stream = state.peers.values[index].protocols.index(forKey: protocolID) {
                state.peers.values[index].protocols.values[stream].count -= 1
            }
            if state.peers.values[index].isIdle { state.peers.remove(at: index) }
        }
    }

    /// Changes the counts, or counts the refusal.
    private func counting<R>(_ body: (inout State) throws(LimitError) -> R) throws(LimitError) -> R {
        try self.state.withLock { state throws(LimitError) -> R in
            do throws(LimitError) {
                return try body(&state)
            } catch {
                // Without the protocol's name, which may be anything.
                state.refusals[String(error.limit.prefix { $0 != " " }), default: 0] += 1
                throw error
            }
        }
    }

    /// Whether a peer that has so many streams may have one more, as far as all together are concerned.
    private func checkTasks(_ inUse: Int, _ state: State) throws(LimitError) {
        let all = state.counts.inboundStreams
        guard all >= self.limits.tasks, inUse > 0, inUse >= all / max(1, state.peers.count) else { return }
        throw LimitError(limit: "tasks", value: self.limits.tasks, use: all)
    }

    private static func check(
        _ count: Int, _ name: @autoclosure () -> String, _ limit: Int, of scope: @autoclosure () -> LimitError.Scope = .host
    ) throws(LimitError) {
        guard count < limit else { throw LimitError(limit: name(), value: limit, scope: scope(), use: count) }
    }

    private static func release(_ peer: PeerID, in state: inout State, _ change: (inout PeerUse) -> Void) {
        guard let index = state.peers.index(forKey: peer) else { return }
        change(&state.peers.values[index])
        if state.peers.values[index].isIdle { state.peers.remove(at: index) }
    }
}
