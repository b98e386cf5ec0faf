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

    private struct AddressUse {
        var pending = 0
        var connections = 0

        var isIdle: Bool { self.pending == 0 && self.connections == 0 }
    }

    private struct State {
        var counts = Counts()
        var peers: [PeerID: PeerUse] = [:]
        var addresses: [AddressKey: AddressUse] = [:]
    }

    /// The limits that it enforces.
    package let limits: ResourceLimits
    private let state = Mutex(State())

    /// - Parameter limits: never change.
    package init(_ limits: ResourceLimits = ResourceLimits()) {
        self.limits = limits
    }

    /// What is counted at this moment.
    package var counts: Counts { self.state.withLock { $0.counts } }

    /// Peers and addresses that something is counted for.
    var trackedKeys: Int { self.state.withLock { $0.peers.count + $0.addresses.count } }

    /// For an arrival, before any handshake.
    ///
    /// - Throws: `pendingInbound`, `pendingInboundPerAddress`.
    package func reservePending(from address: Multiaddr) throws(LimitError) -> Reservation {
        let key = AddressKey(address)
        try self.state.withLock { state throws(LimitError) in
            try Self.check(state.counts.pendingInbound, "pendingInbound", self.limits.pendingInbound)
            if let key {
                try Self.check(state.addresses[key]?.pending ?? 0, "pendingInboundPerAddress", self.limits.pendingInboundPerAddress)
                state.addresses[key, default: AddressUse()].pending += 1
            }
            state.counts.pendingInbound += 1
        }
        return Reservation {
            self.state.withLock { state in
                state.counts.pendingInbound -= 1
                if let key { Self.release(key, in: &state) { $0.pending -= 1 } }
            }
        }
    }

    /// For a connection whose peer has proved who it is.
    ///
    /// - Throws: `connections`, `connectionsPerPeer`, `connectionsPerAddress`.
    package func reserveConnection(to peer: PeerID, at address: Multiaddr, role: ConnectionRole) throws(LimitError) -> Reservation {
        let key = AddressKey(address)
        try self.state.withLock { state throws(LimitError) in
            try Self.check(state.counts.connections, "connections", self.limits.connections)
            try Self.check(state.peers[peer]?.connections ?? 0, "connectionsPerPeer", self.limits.connectionsPerPeer)
            if let key {
                try Self.check(state.addresses[key]?.connections ?? 0, "connectionsPerAddress", self.limits.connectionsPerAddress)
                state.addresses[key, default: AddressUse()].connections += 1
            }
            state.peers[peer, default: PeerUse()].connections += 1
            state.counts.connections += 1
        }
        return Reservation {
            self.state.withLock { state in
                state.counts.connections -= 1
                Self.release(peer, in: &state) { $0.connections -= 1 }
                if let key { Self.release(key, in: &state) { $0.connections -= 1 } }
            }
        }
    }

    /// For an inbound stream of a protocol.
    ///
    /// - Parameter limit: of the protocol, for this peer.
    /// - Throws: `inboundPerPeer`, `inboundStreamsPerPeer`.
    package func reserveStream(of protocolID: ProtocolID, from peer: PeerID, limit: Int) throws(LimitError) -> Reservation {
        // The closure comes out within its struct: returned bare, generic code would wrap it, an allocation each way.
        let use = try self.state.withLock { state throws(LimitError) -> StreamUse in
            guard let index = state.peers.index(forKey: peer), let stream = state.peers.values[index].protocols.index(forKey: protocolID)
            else {
                let inUse = state.peers[peer]?.inboundStreams ?? 0
                try Self.check(inUse, "inboundStreamsPerPeer", self.limits.inboundStreamsPerPeer)
                try Self.check(0, "inboundPerPeer of \(protocolID)", limit)
                let use = StreamUse(count: 1) { self.releaseStream(of: protocolID, from: peer) }
                state.peers[peer, default: PeerUse()].protocols[protocolID] = use
                state.peers[peer]?.inboundStreams += 1
                state.counts.inboundStreams += 1
                return use
            }
            try Self.check(state.peers.values[index].inboundStreams, "inboundStreamsPerPeer", self.limits.inboundStreamsPerPeer)
            try Self.check(state.peers.values[index].protocols.values[stream].count, "inboundPerPeer of \(protocolID)", limit)
            state.peers.values[index].protocols.values[stream].count += 1
            state.peers.values[index].inboundStreams += 1
            state.counts.inboundStreams += 1
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

    private static func check(_ count: Int, _ name: @autoclosure () -> String, _ limit: Int) throws(LimitError) {
        guard count < limit else { throw LimitError(limit: name(), value: limit) }
    }

    private static func release(_ peer: PeerID, in state: inout State, _ change: (inout PeerUse) -> Void) {
        guard let index = state.peers.index(forKey: peer) else { return }
        change(&state.peers.values[index])
        if state.peers.values[index].isIdle { state.peers.remove(at: index) }
    }

    private static func release(_ address: AddressKey, in state: inout State, _ change: (inout AddressUse) -> Void) {
        guard let index = state.addresses.index(forKey: address) else { return }
        change(&state.addresses.values[index])
        if state.addresses.values[index].isIdle { state.addresses.remove(at: index) }
    }
}
