import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// The places that flows take: of each peer, of all, and of those that are being opened.
///
/// Of peers and of all there are only so many. Who finds too many that are being opened waits until it is his turn.
final class TunnelLedger: Sendable {
    private struct Counts {
        var byPeer: [PeerID: Int] = [:]
        var all = 0
        var opening = 0
        /// Those whose turn has not come; they are among ``all``, which bounds them.
        var waiting = CircularBuffer<Waiter>(initialCapacity: 0)
        var lastWaiter: UInt64 = 0
    }

    private struct Waiter {
        let number: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private let configuration: TunnelConfiguration
    private let counts = Mutex(Counts())

    init(_ configuration: TunnelConfiguration) { self.configuration = configuration }

    /// Flows that live, those that are being opened, and peers that have any.
    var census: (flows: Int, opening: Int, peers: Int) { self.counts.withLock { ($0.all, $0.opening, $0.byPeer.count) } }

    /// A place for a flow, which is free again when it goes away.
    ///
    /// - Throws: ``TunnelError/busy``, naming the limit.
    func admit(_ peer: PeerID, to traffic: TunnelTraffic) async throws(TunnelError) -> Place {
        let place = try self.enter(peer, traffic)
        guard await self.turn() else { throw TunnelError(.broken, "the tunnel was closed") }
        place.begin()
        return place
    }

    private func enter(_ peer: PeerID, _ traffic: TunnelTraffic) throws(TunnelError) -> Place {
        let limit = self.counts.withLock { counts -> String? in
            guard counts.all < self.configuration.flows else { return "\(counts.all) flows (flows)" }
            let own = counts.byPeer[peer, default: 0]
            guard own < self.configuration.flowsPerPeer else { return "\(own) flows of that peer (flowsPerPeer)" }
            counts.byPeer[peer] = own + 1
            counts.all += 1
            return nil
        }
        if let limit {
            traffic.countRefusal()
            throw TunnelError(.busy, "there are \(limit) already")
        }
        traffic.flows.wrappingAdd(1, ordering: .relaxed)
        traffic.living.wrappingAdd(1, ordering: .relaxed)
        return Place(ledger: self, peer: peer, traffic: traffic)
    }

    /// Waits until one more may be opened.
    ///
    /// - Returns: false when the task was cancelled before.
    private func turn() async -> Bool {
        let number = self.counts.withLock { counts in
            counts.lastWaiter += 1
            return counts.lastWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome = self.counts.withLock { counts -> Bool? in
                    if Task.isCancelled { return false }
                    guard counts.opening >= self.configuration.opening else {
                        counts.opening += 1
                        return true
                    }
                    counts.waiting.append(Waiter(number: number, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            let waiter = self.counts.withLock { counts in
                counts.waiting.firstIndex { $0.number == number }.map { counts.waiting.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    /// One is opened, or never will be: it is the next one's turn.
    private func opened() {
        let next = self.counts.withLock { counts in
            let next = counts.waiting.popFirst()
            if next == nil { counts.opening -= 1 }
            return next
        }
        next?.continuation.resume(returning: true)
    }

    private func leave(_ peer: PeerID) {
        self.counts.withLock { counts in
            counts.all -= 1
            let left = counts.byPeer[peer, default: 1] - 1
            counts.byPeer[peer] = left > 0 ? left : nil
        }
    }

    /// One flow's place.
    final class Place: Sendable {
        private let ledger: TunnelLedger
        private let peer: PeerID
        private let isOpening = Atomic<Bool>(false)
        let traffic: TunnelTraffic

        fileprivate init(ledger: TunnelLedger, peer: PeerID, traffic: TunnelTraffic) {
            (self.ledger, self.peer, self.traffic) = (ledger, peer, traffic)
        }

        /// Its turn has come.
        fileprivate func begin() { self.isOpening.store(true, ordering: .relaxed) }

        /// The flow is open: from now on it holds up nobody who wants to open one.
        func opened() {
            if self.isOpening.exchange(false, ordering: .relaxed) { self.ledger.opened() }
        }

        deinit {
            self.opened()
            self.ledger.leave(self.peer)
            self.traffic.living.wrappingSubtract(1, ordering: .relaxed)
        }
    }
}
