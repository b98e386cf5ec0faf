import P2PCore
import P2PIdentity
import Synchronization

/// The places that flows take: of each peer, of all, and of those that are being opened.
final class TunnelLedger: Sendable {
    private struct Counts {
        var byPeer: [PeerID: Int] = [:]
        var all = 0
        var opening = 0
    }

    private let configuration: TunnelConfiguration
    private let counts = Mutex(Counts())

    init(_ configuration: TunnelConfiguration) { self.configuration = configuration }

    /// Flows that live, those that are being opened, and peers that have any.
    var census: (flows: Int, opening: Int, peers: Int) { self.counts.withLock { ($0.all, $0.opening, $0.byPeer.count) } }

    /// A place for a flow, which is free again when it goes away.
    ///
    /// - Throws: ``TunnelError/busy``, naming the limit.
    func admit(_ peer: PeerID, to traffic: TunnelTraffic) throws(TunnelError) -> Place {
        let limit = self.counts.withLock { counts -> String? in
            guard counts.all < self.configuration.flows else { return "\(counts.all) flows (flows)" }
            let own = counts.byPeer[peer, default: 0]
            guard own < self.configuration.flowsPerPeer else { return "\(own) flows of that peer (flowsPerPeer)" }
            guard counts.opening < self.configuration.opening else { return "\(counts.opening) flows that are being opened (opening)" }
            counts.byPeer[peer] = own + 1
            counts.all += 1
            counts.opening += 1
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

    private func opened() { self.counts.withLock { $0.opening -= 1 } }

    private func leave(_ peer: PeerID, wasOpened: Bool) {
        self.counts.withLock { counts in
            counts.all -= 1
            if !wasOpened { counts.opening -= 1 }
            let left = counts.byPeer[peer, default: 1] - 1
            counts.byPeer[peer] = left > 0 ? left : nil
        }
    }

    /// One flow's place.
    final class Place: Sendable {
        private let ledger: TunnelLedger
        private let peer: PeerID
        private let isOpen = Atomic<Bool>(false)
        let traffic: TunnelTraffic

        fileprivate init(ledger: TunnelLedger, peer: PeerID, traffic: TunnelTraffic) {
            (self.ledger, self.peer, self.traffic) = (ledger, peer, traffic)
        }

        /// The flow is open: from now on it holds up nobody who wants to open one.
        func opened() {
            if !self.isOpen.exchange(true, ordering: .relaxed) { self.ledger.opened() }
        }

        deinit {
            self.ledger.leave(self.peer, wasOpened: self.isOpen.load(ordering: .relaxed))
            self.traffic.living.wrappingSubtract(1, ordering: .relaxed)
        }
    }
}
