package import NIOCore
package import P2PCore
package import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Dials as those see them who ask for one: they get a connection that there is, join a dial that is under way, or begin one.
extension Swarm {
    private enum Admission {
        case connected(ConnectionEntry)
        case waiting(DialOperation, DialWaiter, isNew: Bool)
        case refused(DialError)
    }

    /// Returns a live connection to the peer, joins a dial that is under way, or dials.
    ///
    /// - Parameter deadline: counts in the place of the request's timeout.
    package func dial(_ peer: PeerID, _ request: DialRequest, deadline: NIODeadline) async throws(DialError) -> ConnectionEntry {
        guard peer != self.localPeer else { throw DialError(.selfDial, "\(peer) is this node itself") }
        var terms = DialTerms(request)
        if let entry = self.connection(to: peer) {
            if request.isSatisfied(by: entry.info) { return entry }
            // There is a limited one already, and the caller knows a better way.
            if !request.forcesNew { terms.allowsLimited = false }
        }
        do throws(DialError) {
            var addresses = request.addresses.map { KnownAddress($0, source: .given) } + request.remembered
            if addresses.isEmpty { addresses = try await self.knownAddresses(of: peer, by: deadline) }
            return try await self.connect(to: peer, at: addresses, request, on: terms, deadline: deadline)
        } catch {
            switch error.code {
            case .cancelled, .notRunning: throw error
            default:
                // It may have dialled us meanwhile, and a limited connection is better than none.
                guard !request.forcesNew, let entry = self.connection(to: peer), request.allowsLimited || !entry.info.isLimited else {
                    throw error
                }
                return entry
            }
        }
    }

    private func knownAddresses(of peer: PeerID, by deadline: NIODeadline) async throws(DialError) -> [KnownAddress] {
        let addresses = await self.peerstore.read(by: deadline) { await $0.knownAddresses(of: peer) }
        guard !Task.isCancelled else { throw DialError(.cancelled, "the task that dialled was cancelled") }
        guard let addresses else { throw DialError(.timedOut, "the peerstore did not say by the deadline where \(peer) is") }
        return addresses
    }

    /// Dials addresses of which none says who should answer, and keeps whoever does.
    package func dialAnyPeer(_ request: DialRequest, deadline: NIODeadline) async throws(DialError) -> ConnectionEntry {
        let addresses = request.addresses.map { KnownAddress($0, source: .given) }
        return try await self.connect(to: nil, at: addresses, request, on: DialTerms(request), deadline: deadline)
    }

    private func connect(
        to peer: PeerID?, at addresses: [KnownAddress], _ request: DialRequest, on terms: DialTerms, deadline: NIODeadline
    ) async throws(DialError) -> ConnectionEntry {
        let areNamed = !request.addresses.isEmpty || !request.remembered.isEmpty
        let candidates = self.candidates(addresses, of: peer, on: terms, areNamed: areNamed)
        let maySearch = peer != nil && !areNamed && !self.finders.isEmpty
        let admission = self.table.withLock { table -> Admission in
            guard table.phase == .running else {
                return .refused(DialError(.notRunning, table.phase == .idle ? "the host does not run yet" : "the host is shutting down"))
            }
            if let peer {
                if let entry = table.connection(to: peer), request.isSatisfied(by: entry.info) { return .connected(entry) }
                if !request.forcesNew, let operation = table.dial(to: peer, on: terms),
                    let waiter = operation.join(candidates, areNamed: areNamed, until: deadline)
                {
                    return .waiting(operation, waiter, isNew: false)
                }
            }
            guard !candidates.isEmpty || maySearch else {
                return .refused(DialError(.noAddresses, "no address is known for \(peer?.description ?? "the dial")"))
            }
            guard table.dialCount < self.configuration.limits.dials else {
                table.refusedDials += 1
                let limit = LimitError(limit: "dials", value: self.configuration.limits.dials)
                return .refused(DialError(.resourceLimit, "too many dials are under way", cause: limit))
            }
            let run = DialRun(
                peer: peer, finders: self.finders.map(\.name), ranker: self.configuration.ranker,
                experience: self.experience.withLock { $0.forNextDial() })
            let operation = DialOperation(run, terms: terms, places: self.dialPlaces)
            guard let waiter = operation.join(candidates, areNamed: areNamed, until: deadline) else {
                return .refused(DialError(.cancelled, "the dial ended before it had begun"))
            }
            table.insert(operation, isShared: !request.forcesNew)
            return .waiting(operation, waiter, isNew: true)
        }
        switch admission {
        case .connected(let entry): return entry
        case .refused(let error):
            self.observers.begin(.dial(peer)).end(.failed(error))
            throw error
        case .waiting(let operation, let waiter, let isNew):
            if isNew {
                // In the task of whoever asked first, of which the dial is a part then.
                operation.observation = self.observers.begin(.dial(peer))
                self.jobQueue.yield(.dial(operation))
            }
            return try await operation.wait(waiter).get()
        }
    }
}
