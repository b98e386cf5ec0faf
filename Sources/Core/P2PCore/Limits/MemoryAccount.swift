package import P2PMultiaddr
import Synchronization

/// What one connection holds in memory. From any thread.
///
/// Its streams tell it of every change, which is an addition; only when that exceeds what the connection has taken, or leaves much of it
/// unused, more is taken or given back.
package final class MemoryAccount: Sendable {
    private let host: HeldMemory
    private let peer: PeerMemory
    /// The smallest network that counts it; nil for none.
    private let network: NetworkMemory?
    /// Whether it is with a network or a peer that is allowed.
    package let isAllowed: Bool
    /// Whether it may be told to go by itself.
    private let isExempt: Bool
    private let onExcess = Mutex<(@Sendable () -> Void)?>(nil)
    private let bytes = Atomic(0)
    private let freed = Atomic(0)
    /// What may be held without asking; changes with ``taken``.
    private let allowance = Atomic(HeldMemory.included)
    /// Taken beyond ``HeldMemory/perConnection``.
    private let taken = Mutex(0)

    init(_ host: HeldMemory, peer: PeerMemory, network: NetworkMemory?, isAllowed: Bool, isDialled: Bool) {
        self.host = host
        self.peer = peer
        self.network = network
        self.isAllowed = isAllowed
        self.isExempt = isAllowed || isDialled
        host.take(HeldMemory.perConnection, for: peer, network, isAllowed: isAllowed)
    }

    deinit {
        self.host.giveBack(self.charge, of: self.peer, self.network, isAllowed: self.isAllowed)
        self.host.left(self.peer, self.network)
    }

    /// Bytes that it holds.
    package var held: Int { self.bytes.load(ordering: .relaxed) }
    /// Bytes that it counts for: those that it holds, itself, and what it has not given back yet.
    package var charge: Int { HeldMemory.perConnection + self.taken.withLock { $0 } }
    /// Bytes that all connections of its peer count for.
    package var peerHeld: Int { self.peer.held }
    /// The networks that count it, the smallest first.
    package var networks: [IPNetwork] { self.network.map { [$0.network] + ($0.around.map { [$0.network] } ?? []) } ?? [] }
    /// Of these the one that holds more than it may, if there is one, and how much.
    package var crowdedNetwork: (network: IPNetwork, held: Int)? {
        var next = self.network
        while let network = next {
            if network.held > self.host.limits.limit(of: network.network) { return (network.network, network.held) }
            next = network.around
        }
        return nil
    }
    /// All bytes that it held and holds no more. Grows while peer and application go on.
    package var released: Int { self.freed.load(ordering: .relaxed) }
    /// Whether its peer may open one more stream.
    package var mayOpenStream: Bool { self.host.mayOpenStream(self.peer) }

    /// Whether memory is scarce, so that what the connection holds is to take as little as possible.
    package var savesMemory: Bool { self.host.isScarce }

    /// Calls `body` once, from any thread, when the connection wants more while the host has nothing left, and has as much as others or more:
    /// whoever closes connections may be late then. Nil calls nobody any more.
    package func onExcess(_ body: (@Sendable () -> Void)?) {
        if !self.isExempt { self.onExcess.withLock { $0 = body } }
    }

    /// It holds so many bytes more, or less; less of them says that peer and application go on.
    package func change(by count: Int) { self.change(by: count, goesForward: true) }

    /// It holds so many bytes more, or less.
    ///
    /// - Parameter goesForward: whether less of them says that peer and application go on.
    package func change(by count: Int, goesForward: Bool) {
        let held = self.bytes.wrappingAdd(count, ordering: .relaxed).newValue
        let allowance = self.allowance.load(ordering: .relaxed)
        if count < 0 {
            if goesForward { self.freed.wrappingSubtract(count, ordering: .relaxed) }
            if allowance > HeldMemory.included, held + 3 * HeldMemory.quantum < allowance { self.adjust(sparing: HeldMemory.quantum) }
        } else if held > allowance {
            self.adjust(sparing: 0)
        }
    }

    /// Gives back what it does not need at this moment.
    package func trim() {
        if self.allowance.load(ordering: .relaxed) > HeldMemory.included { self.adjust(sparing: 0) }
    }

    /// Takes what is needed, and `spare` bytes; gives back the rest.
    private func adjust(sparing spare: Int) {
        let change = self.taken.withLock { taken in
            let need = max(0, self.held - HeldMemory.included)
            let wanted = (need + HeldMemory.quantum - 1) / HeldMemory.quantum * HeldMemory.quantum + spare
            defer {
                taken = wanted
                self.allowance.store(HeldMemory.included + wanted, ordering: .relaxed)
            }
            return wanted - taken
        }
        if change > 0 {
            self.host.take(change, for: self.peer, self.network, isAllowed: self.isAllowed)
            guard !self.isExempt, self.host.isExcessive(self.charge) else { return }
            guard let leave = self.onExcess.withLock({ $0.take() }) else { return }
            self.host.leaves()
            leave()
        } else if change < 0 {
            self.host.giveBack(-change, of: self.peer, self.network, isAllowed: self.isAllowed)
        }
    }
}
