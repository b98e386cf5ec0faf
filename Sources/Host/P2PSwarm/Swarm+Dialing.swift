package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr
import Synchronization

extension Swarm {
    private enum Admission {
        case connected(ConnectionEntry)
        case joined(DialOperation)
        case started(DialOperation)
        case refused(DialError)
    }

    /// Returns a live connection to the peer, joins a dial that is under way, or dials.
    ///
    /// - Parameter addresses: where to look, and then also where it failed lately; when empty, the peerstore is asked.
    package func dial(_ peer: PeerID, at addresses: [Multiaddr], deadline: NIODeadline) async throws(DialError) -> ConnectionEntry {
        guard peer != self.localPeer else { throw DialError(.selfDial, "\(peer) is this node itself") }
        if let entry = self.connection(to: peer) { return entry }
        var tried: Set<Multiaddr> = []
        while true {
            var candidates = addresses
            if candidates.isEmpty { candidates = try await self.knownAddresses(of: peer, by: deadline) }
            candidates = Self.unique(candidates).filter { !tried.contains($0.withoutPeerID) }
            switch self.begin(peer, at: candidates, deadline: deadline, isExplicit: !addresses.isEmpty) {
            case .connected(let entry): return entry
            case .refused(let error): throw error
            case .started(let operation): return try await operation.wait().get()
            case .joined(let operation):
                do {
                    return try await self.wait(for: operation, deadline: deadline)
                } catch let error where self.mayRetry(after: error, until: deadline) {
                    tried.formUnion(error.attempts.map(\.address.withoutPeerID))
                    if candidates.allSatisfy({ tried.contains($0.withoutPeerID) }) { throw error }
                }
            }
        }
    }

    private func knownAddresses(of peer: PeerID, by deadline: NIODeadline) async throws(DialError) -> [Multiaddr] {
        let addresses = await self.peerstore.read(by: deadline) { await $0.addresses(of: peer) }
        guard !Task.isCancelled else { throw DialError(.cancelled, "the task that dialled was cancelled") }
        guard let addresses else { throw DialError(.timedOut, "the peerstore did not say by the deadline where \(peer) is") }
        return addresses
    }

    /// Dials addresses of which none says who should answer, and keeps whoever does.
    package func dialAnyPeer(at addresses: [Multiaddr], deadline: NIODeadline) async throws(DialError) -> ConnectionEntry {
        switch self.begin(nil, at: Self.unique(addresses), deadline: deadline, isExplicit: true) {
        case .connected(let entry): return entry
        case .refused(let error): throw error
        case .started(let operation), .joined(let operation): return try await operation.wait().get()
        }
    }

    /// Whether a dial that others began says nothing about further addresses.
    private func mayRetry(after error: DialError, until deadline: NIODeadline) -> Bool {
        switch error.code {
        case .allAddressesFailed, .peerMismatch, .timedOut: !Task.isCancelled && self.clock.now() < deadline
        default: false
        }
    }

    private static func unique(_ addresses: [Multiaddr]) -> [Multiaddr] {
        var seen: Set<Multiaddr> = []
        return addresses.filter { seen.insert($0).inserted }
    }

    private func begin(_ peer: PeerID?, at addresses: [Multiaddr], deadline: NIODeadline, isExplicit: Bool) -> Admission {
        let admission = self.table.withLock { table -> Admission in
            guard table.phase == .running else {
                return .refused(DialError(.notRunning, table.phase == .idle ? "the host does not run yet" : "the host is shutting down"))
            }
            if let peer {
                if let entry = table.connection(to: peer) { return .connected(entry) }
                if let operation = table.dial(to: peer), operation.join() { return .joined(operation) }
            }
            guard !addresses.isEmpty else {
                return .refused(DialError(.noAddresses, "no address is known for \(peer?.description ?? "the dial")"))
            }
            guard table.dialCount < self.configuration.limits.dials else {
                let limit = LimitError(limit: "dials", value: self.configuration.limits.dials)
                return .refused(DialError(.resourceLimit, "too many dials are under way", cause: limit))
            }
            let operation = DialOperation(peer: peer, addresses: addresses, deadline: deadline, isExplicit: isExplicit)
            _ = operation.join()
            table.insert(operation)
            return .started(operation)
        }
        if case .started(let operation) = admission { self.jobQueue.yield(.dial(operation)) }
        return admission
    }

    /// Waits for somebody else's dial, but not beyond one's own deadline.
    private func wait(for operation: DialOperation, deadline: NIODeadline) async throws(DialError) -> ConnectionEntry {
        guard deadline < operation.deadline else { return try await operation.wait().get() }
        guard let result = await self.clock.result(by: deadline, of: { await operation.wait() }) else {
            throw DialError(.timedOut, "the dial that was under way was not done by the deadline")
        }
        return try result.get()
    }

    /// Runs a dial. Its end is told to whoever waits for it.
    package func perform(_ operation: DialOperation) async {
        await operation.abandoned.cancelling {
            await self.attemptAll(operation)
        }
        self.finish(operation, with: .failure(DialError(.cancelled, "the dial was cancelled")))
    }

    /// Tells everybody who waits for the dial; only the first result counts.
    private func finish(_ operation: DialOperation, with result: Result<ConnectionEntry, DialError>) {
        self.table.withLock { $0.remove(operation) }
        operation.complete(result)
    }

    private enum Arrival: Sendable {
        /// Counted and allowed, but not listed yet: that is for the winner.
        case connection(ConnectionEntry, Multiaddr)
        case failed(DialAttempt)
        /// What a list of addresses has.
        case found(list: Multiaddr, Result<[Multiaddr], TransportError>)
        case timer
    }

    /// Tries the addresses in turns and keeps the first that leads to the peer.
    private func attemptAll(_ operation: DialOperation) async {
        let startedAt = self.clock.now()
        var candidates = DialCandidates(operation)
        var attempts = self.take(operation.addresses, into: &candidates, at: startedAt)
        let (addresses, lists) = (candidates.addresses, candidates.lists)
        await withTaskGroup(of: Arrival.self) { group in
            for list in lists {
                group.addTask { .found(list: list, await self.lookUp(list, of: operation.peer, by: operation.deadline)) }
            }
            var plan = DialPlan(
                self.configuration.ranker.rank(addresses), lookups: lists.count, startedAt: startedAt,
                deadline: operation.deadline, maximumInFlight: SwarmConfiguration.maximumAttempts)
            var running: [Multiaddr] = []
            var timer: NIODeadline?
            var winner: ConnectionEntry?
            var isExpired = false
            dialing: while !Task.isCancelled {
                switch plan.next(at: self.clock.now()) {
                case .dial(let address):
                    running.append(address)
                    group.addTask { await self.attempt(address, for: operation) }
                    continue dialing
                case .wait(let until):
                    if timer.map({ until < $0 }) ?? true {
                        timer = until
                        group.addTask {
                            await self.clock.sleep(until)
                            return .timer
                        }
                    }
                case .exhausted: break dialing
                case .expired:
                    isExpired = true
                    break dialing
                }
                guard let arrival = await group.next() else { break dialing }
                switch arrival {
                case .timer: timer = nil
                case .failed(let attempt):
                    running.removeAll { $0 == attempt.address }
                    attempts.append(attempt)
                    plan.failed()
                case .found(let list, .failure(let error)):
                    attempts.append(DialAttempt(address: list, error: error))
                    plan.found([], at: self.clock.now())
                case .found(_, .success(let found)):
                    let now = self.clock.now()
                    let known = candidates.addresses.count
                    attempts += self.take(found.filter { !$0.isAddressList }, into: &candidates, at: now)
                    plan.found(self.configuration.ranker.rank(Array(candidates.addresses[known...])), at: now)
                case .connection(let entry, let address):
                    running.removeAll { $0 == address }
                    do throws(TransportError) {
                        try await self.admit(entry)
                        self.backOff.withLock { $0.succeeded(address) }
                        winner = entry
                        self.peerstore.later { [info = entry.info] in await Self.remember(info, in: $0) }
                        break dialing
                    } catch {
                        attempts.append(DialAttempt(address: address, error: error))
                        plan.failed()
                    }
                }
            }
            let result: Result<ConnectionEntry, DialError> =
                if let winner {
                    .success(winner)
                } else {
                    .failure(self.error(of: operation, attempts: attempts, running: running, untried: plan.untried, isExpired: isExpired))
                }
            // Those who wait hear of it before the losers are closed, which may take them a while.
            self.finish(operation, with: result)
            group.cancelAll()
            for await arrival in group {
                if case .connection(let loser, _) = arrival { await self.discard(loser, .supplanted) }
            }
        }
    }

    /// Remembers that the peer is there, and where it was reached.
    package static func remember(_ connection: ConnectionInfo, in peerstore: any Peerstore) async {
        await peerstore.saw(connection.remotePeer)
        guard connection.role == .dialer else { return }
        await peerstore.add(
            [connection.remoteAddress], of: connection.remotePeer, source: .connected, timeToLive: peerstore.metPeerTimeToLive)
    }

    /// Tries one address, which has the time of the handshakes for everything, the gater's decisions included.
    private func attempt(_ address: Multiaddr, for operation: DialOperation) async -> Arrival {
        let deadline = min(operation.deadline, self.clock.now().advanced(by: self.configuration.handshakeTimeout))
        do throws(TransportError) {
            try await self.gate(address, of: operation.peer, by: deadline)
            let connection = try await self.connect(to: address, expecting: operation.peer, by: deadline)
            let entry = try await self.vet(try await self.count(connection), by: deadline, whenCancelled: .supplanted)
            return .connection(entry, address)
        } catch {
            return .failed(DialAttempt(address: address, error: error))
        }
    }

    func gate(_ address: Multiaddr, of peer: PeerID?, by deadline: NIODeadline) async throws(TransportError) {
        guard let mayDial = await self.clock.result(by: deadline, of: { await self.gater.mayDial(address, peer: peer) }) else {
            throw TransportError(Task.isCancelled ? .cancelled : .timedOut, "the gater did not decide on the address in time")
        }
        guard mayDial else { throw TransportError(.gated, "the gater refused the address") }
    }

    private func connect(
        to address: Multiaddr, expecting peer: PeerID?, by deadline: NIODeadline
    ) async throws(TransportError) -> any MuxedConnection {
        do throws(TransportError) {
            guard let transport = self.transports.first(where: { $0.canDial(address) }) else {
                throw TransportError(.unsupportedAddress, "no transport of this host dials it")
            }
            let connection = try await transport.dial(address, expecting: peer, options: DialOptions(deadline: deadline))
            let remotePeer = connection.info.remotePeer
            if let peer, peer != remotePeer {
                await connection.close(.normal, grace: .zero)
                throw TransportError(.peerMismatch, "\(remotePeer) answered instead of \(peer)")
            }
            return connection
        } catch {
            if error.code != .cancelled { self.backOff.withLock { $0.failed(address, at: self.clock.now()) } }
            throw error
        }
    }

    private func error(
        of operation: DialOperation, attempts: [DialAttempt], running: [Multiaddr], untried: [Multiaddr], isExpired: Bool
    ) -> DialError {
        let target = operation.peer?.description ?? "any peer"
        if !isExpired, Task.isCancelled { return DialError(.cancelled, "the dial of \(target) was cancelled", attempts: attempts) }
        guard isExpired else {
            let isWrongPeer = !attempts.isEmpty && attempts.allSatisfy { $0.error.code == .peerMismatch }
            return DialError(
                isWrongPeer ? .peerMismatch : .allAddressesFailed,
                "\(attempts.count == 1 ? "the only address" : "all \(attempts.count) addresses") of \(target) failed", attempts: attempts)
        }
        let late = running.map { DialAttempt(address: $0, error: TransportError(.timedOut, "no connection by the deadline of the dial")) }
        let never = untried.map {
            DialAttempt(address: $0, error: TransportError(.timedOut, "its turn had not come by the deadline of the dial"))
        }
        return DialError(.timedOut, "\(target) was not reached by the deadline", attempts: attempts + late + never)
    }
}
