package import P2PIdentity
package import P2PMultiaddr
import Synchronization

/// What peers make a host hold in memory: buffers of streams both ways, what waits to be sent, and what every connection and stream costs.
///
/// What is *held* counts, not what is promised: yamux promises 256 KiB for every stream. It nests: the host, a peer and a network, a connection
/// (``MemoryAccount``). Connections take from it in ``quantum``s, so that reading and writing touches nothing that connections share.
package final class HeldMemory: Sendable {
    /// What a connection takes at a time, and keeps a while when it needs it no more.
    package static let quantum = 64 * 1_024
    /// What a connection counts for in any case: itself, and the first of what it holds.
    package static let perConnection = 32 * 1_024
    /// What a connection may hold before it takes more.
    package static let included = 16 * 1_024
    /// What a stream counts for, without its bytes.
    package static let perStream = 4 * 1_024
    /// What an arrival counts for whose handshakes are not done.
    package static let perArrival = 32 * 1_024

    /// Who holds something.
    private struct Peers {
        var known: [PeerID: (memory: PeerMemory, connections: Int)] = [:]
        var networks: [IPNetwork: (memory: NetworkMemory, connections: Int)] = [:]
        var onAlarm: (@Sendable () -> Void)?
    }

    package let limits: MemoryLimits
    private let known: KnownNetworks
    private let strangers = Atomic(0)
    private let friends = Atomic(0)
    private let highest = Atomic(0)
    private let accounts = Atomic(0)
    private let highestOfAllowed = Atomic(0)
    private let heaviestEver = Atomic(0)
    private let heaviestNetworkEver = Atomic(0)
    private let arriving = Atomic(0)
    private let keeping = Atomic(0)
    private let mostKept = Atomic(0)
    private let forgettings = Atomic(0)
    private let refusedStreams = Atomic(0)
    private let refusedArrivals = Atomic(0)
    private let leavings = Atomic(0)
    private let scarcity = Atomic(false)
    private let isAlarmed = Atomic(false)
    private let peers = Mutex(Peers())
    /// Sees ``use`` rise and fall.
    package let tide = MemoryTide()

    /// - Parameter known: who has memory of its own.
    package init(_ limits: MemoryLimits, known: KnownNetworks = KnownNetworks()) {
        self.limits = limits
        self.known = known
    }

    // MARK: What is counted

    /// Bytes in use of ``MemoryLimits/total``.
    package var use: Int {
        self.strangers.load(ordering: .relaxed) + max(0, self.friends.load(ordering: .relaxed) - self.limits.allowed)
    }
    /// Bytes in use of ``MemoryLimits/allowed``.
    package var useOfAllowed: Int { min(self.friends.load(ordering: .relaxed), self.limits.allowed) }
    /// The most that ``use`` has been.
    package var peak: Int { self.highest.load(ordering: .relaxed) }
    package var pressure: MemoryPressure { MemoryPressure.of(self.use, limit: self.limits.total) }
    /// What was refused for want of memory, streams and connections, and connections that went by themselves.
    package var refusals: Int {
        self.refusedStreams.load(ordering: .relaxed) + self.refusedArrivals.load(ordering: .relaxed)
            + self.leavings.load(ordering: .relaxed)
    }
    /// How often a stream was refused for want of memory.
    package var streamRefusals: Int { self.refusedStreams.load(ordering: .relaxed) }
    /// What the peer holds that holds most, and what one held at most.
    package var heaviest: (now: Int, peak: Int) {
        (self.peers.withLock { $0.known.values.lazy.map(\.memory.held).max() ?? 0 }, self.heaviestEver.load(ordering: .relaxed))
    }
    /// The same for networks.
    package var heaviestNetwork: (now: Int, peak: Int) {
        (self.peers.withLock { $0.networks.values.lazy.map(\.memory.held).max() ?? 0 }, self.heaviestNetworkEver.load(ordering: .relaxed))
    }
    /// The most that ``useOfAllowed`` has been.
    package var peakOfAllowed: Int { min(self.highestOfAllowed.load(ordering: .relaxed), self.limits.allowed) }
    /// Peers that have connections.
    package var peerCount: Int { self.peers.withLock { $0.known.count } }
    /// Networks with which there are connections.
    package var networkCount: Int { self.peers.withLock { $0.networks.count } }
    /// Bytes that count for arrivals whose handshakes are not done.
    package var heldByArrivals: Int { self.arriving.load(ordering: .relaxed) }

    /// Whether what waits is copied where it would keep more alive than it is: from an eighth of the memory on. Kept up to date by whoever takes or
    /// gives back, so that it can be looked at for every piece that comes.
    var isScarce: Bool { self.scarcity.load(ordering: .relaxed) }

    /// - Returns: ``use``, after it has changed.
    @discardableResult
    private func useChanged() -> Int {
        var use = self.use
        // Many read it, few change it. Whoever was overtaken looks again.
        while (use >= self.limits.total / 8) != self.isScarce {
            self.scarcity.store(use >= self.limits.total / 8, ordering: .relaxed)
            use = self.use
        }
        return use
    }

    /// - Returns: ``use``, after it has grown.
    @discardableResult
    private func useGrew() -> Int {
        let use = self.useChanged()
        self.highest.max(use, ordering: .relaxed)
        self.tide.rose(to: use)
        return use
    }

    private func useShrank() { self.tide.fell(to: self.useChanged()) }

    /// Whether windows may grow.
    package var mayGrow: Bool { self.pressure < .tight }

    /// Whether a peer may open one more stream here: where memory is short, not those that hold as much as others or more, and at no time one
    /// that has half of what a peer may have.
    func mayOpenStream(_ peer: PeerMemory) -> Bool {
        let held = peer.held
        guard held >= self.limits.perPeer / 2 || self.pressure >= .short && held >= self.use / 2 / max(1, self.peerCount) else {
            return true
        }
        self.refusedStreams.wrappingAdd(1, ordering: .relaxed)
        // Whoever looks says so.
        self.alarm()
        return false
    }

    // MARK: Connections

    /// The account of a new connection.
    package func account(for peer: PeerID, at address: Multiaddr, isDialled: Bool = false) -> MemoryAccount {
        let isAllowed = self.known.allow(peer, at: address)
        let networks = isAllowed ? [] : address.networks
        let (memory, network) = self.peers.withLock { peers in
            var known = peers.known[peer] ?? (PeerMemory(peer), 0)
            known.connections += 1
            peers.known[peer] = known
            var smallest: NetworkMemory?
            for network in networks.reversed() {
                var known = peers.networks[network] ?? (NetworkMemory(network, in: smallest), 0)
                known.connections += 1
                peers.networks[network] = known
                smallest = known.memory
            }
            return (known.memory, smallest)
        }
        self.accounts.wrappingAdd(1, ordering: .relaxed)
        return MemoryAccount(self, peer: memory, network: network, isAllowed: isAllowed, isDialled: isDialled)
    }

    /// A connection has gone, with everything that it held.
    func left(_ peer: PeerMemory, _ network: NetworkMemory?) {
        self.accounts.wrappingSubtract(1, ordering: .relaxed)
        self.peers.withLock { peers in
            var network = network
            while let one = network {
                if let count = peers.networks[one.network]?.connections {
                    if count > 1 { peers.networks[one.network]?.connections = count - 1 } else { peers.networks[one.network] = nil }
                }
                network = one.around
            }
            guard let count = peers.known[peer.peer]?.connections else { return }
            if count > 1 { peers.known[peer.peer]?.connections = count - 1 } else { peers.known[peer.peer] = nil }
        }
    }

    /// Whether there is no memory left, and a connection that counts for so many bytes has as much of it as the average.
    func isExcessive(_ charge: Int) -> Bool {
        let use = self.use
        return use >= self.limits.total && charge > Self.perConnection + Self.quantum
            && charge >= use / max(1, self.accounts.load(ordering: .relaxed))
    }

    /// A connection takes bytes. They are its own at once: whether that was too much is for ``onAlarm(_:)`` to say.
    func take(_ bytes: Int, for peer: PeerMemory, _ network: NetworkMemory?, isAllowed: Bool) {
        let held = peer.change(by: bytes)
        self.heaviestEver.max(held, ordering: .relaxed)
        var (isTooMuch, next) = (held > self.limits.perPeer, network)
        while let network = next {
            let held = network.change(by: bytes)
            self.heaviestNetworkEver.max(held, ordering: .relaxed)
            isTooMuch = isTooMuch || held > self.limits.limit(of: network.network)
            next = network.around
        }
        if isAllowed {
            self.highestOfAllowed.max(self.friends.wrappingAdd(bytes, ordering: .relaxed).newValue, ordering: .relaxed)
        } else {
            self.strangers.wrappingAdd(bytes, ordering: .relaxed)
        }
        let use = self.useGrew()
        if isTooMuch || MemoryPressure.of(use, limit: self.limits.total) >= .tight { self.alarm() }
    }

    func giveBack(_ bytes: Int, of peer: PeerMemory, _ network: NetworkMemory?, isAllowed: Bool) {
        _ = peer.change(by: -bytes)
        var next = network
        while let network = next {
            _ = network.change(by: -bytes)
            next = network.around
        }
        if isAllowed {
            self.friends.wrappingSubtract(bytes, ordering: .relaxed)
        } else {
            self.strangers.wrappingSubtract(bytes, ordering: .relaxed)
        }
        self.useShrank()
    }

    /// An arrival begins its handshakes; say ``arrivalEnded()`` once they are done, or have failed.
    package func arrivalBegan() {
        self.arriving.wrappingAdd(Self.perArrival, ordering: .relaxed)
        self.strangers.wrappingAdd(Self.perArrival, ordering: .relaxed)
        self.useGrew()
    }

    /// An arrival has become a connection, or nothing.
    package func arrivalEnded() {
        self.arriving.wrappingSubtract(Self.perArrival, ordering: .relaxed)
        self.strangers.wrappingSubtract(Self.perArrival, ordering: .relaxed)
        self.useShrank()
    }

    // MARK: What is known of peers

    /// Bytes that the host keeps of peers that it knows: what is remembered, what waits to be written.
    package var kept: Int { self.keeping.load(ordering: .relaxed) }
    /// The most that ``kept`` has been.
    package var peakOfKept: Int { self.mostKept.load(ordering: .relaxed) }
    /// How often something was forgotten, or not remembered, for want of room.
    package var forgotten: Int { self.forgettings.load(ordering: .relaxed) }
    /// Whether whoever keeps something is to forget some of it.
    package var keepsTooMuch: Bool { self.kept > self.limits.kept }

    /// The host keeps so many bytes more, or less, of peers that it knows.
    package func keep(_ change: Int) {
        guard change != 0 else { return }
        self.strangers.wrappingAdd(change, ordering: .relaxed)
        self.mostKept.max(self.keeping.wrappingAdd(change, ordering: .relaxed).newValue, ordering: .relaxed)
        if change > 0 { self.useGrew() } else { self.useShrank() }
    }

    /// So many bytes more, or less, are kept of peers that were discovered. That has a bound of its own, by network: nobody who is known is forgotten
    /// for it.
    package func discover(_ change: Int) {
        guard change != 0 else { return }
        self.strangers.wrappingAdd(change, ordering: .relaxed)
        if change > 0 { self.useGrew() } else { self.useShrank() }
    }

    /// Something was forgotten, or not remembered, for want of room.
    package func forgot() { self.forgettings.wrappingAdd(1, ordering: .relaxed) }

    /// A connection was refused for want of memory.
    package func refusedConnection() { self.refusedArrivals.wrappingAdd(1, ordering: .relaxed) }

    /// A connection goes by itself for want of memory.
    func leaves() { self.leavings.wrappingAdd(1, ordering: .relaxed) }

    // MARK: Alarm

    /// Calls `body`, from any thread, when somebody should look after the memory, and not again before ``endAlarm()``.
    package func onAlarm(_ body: (@Sendable () -> Void)?) {
        self.peers.withLock { $0.onAlarm = body }
    }

    /// Somebody should look, unless somebody does.
    package func alarm() {
        guard !self.isAlarmed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.peers.withLock { $0.onAlarm }?()
    }

    /// Nobody looks any more. Who calls it looks once more afterwards.
    package func endAlarm() {
        _ = self.isAlarmed.exchange(false, ordering: .acquiringAndReleasing)
    }
}
