import NIOCore
package import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Dials as the host runs them: the run says what to do, here it is done.
extension Swarm {
    private enum DialEvent: Sendable {
        /// Counted and allowed, but not listed yet: that is for the winner.
        case connected(ConnectionEntry, at: Multiaddr)
        case failed(DialAttempt)
        case lookedUp(list: Multiaddr, Result<[Multiaddr], TransportError>)
        case searched(finder: String, failure: DialError?)
        case slept(until: NIODeadline)
        case news
    }

    /// Runs a dial. Its end is told to whoever waits for it.
    package func perform(_ operation: DialOperation) async {
        await self.run(operation)
        self.finish(operation, with: .failure(DialError(.cancelled, "the dial was cancelled")))
    }

    /// Tells everybody who waits for the dial; only the first result counts.
    private func finish(_ operation: DialOperation, with result: Result<ConnectionEntry, DialError>) {
        self.table.withLock { $0.remove(operation) }
        operation.complete(result)
    }

    /// Tries the addresses in turns and keeps the first that leads to the peer.
    private func run(_ operation: DialOperation) async {
        await withTaskGroup(of: DialEvent.self) { group in
            self.listen(to: operation, in: &group)
            var winner: ConnectionEntry?
            var recalls: [Multiaddr: Signal] = [:]
            running: while winner == nil, !Task.isCancelled, !operation.isAbandoned {
                switch operation.next(at: self.clock.now()) {
                case .dial(let address):
                    let recalled = Signal()
                    recalls[address] = recalled
                    group.addTask { await self.attempt(address, for: operation, until: recalled) }
                case .recall(let address): recalls.removeValue(forKey: address)?.fire()
                case .lookUp(let list):
                    group.addTask { .lookedUp(list: list, await self.lookUp(list, of: operation.peer, by: self.patience(of: operation))) }
                case .search:
                    for finder in self.finders {
                        group.addTask { .searched(finder: finder.name, failure: await self.ask(finder, for: operation)) }
                    }
                case .sleep(let until):
                    group.addTask {
                        await self.clock.sleep(until)
                        return .slept(until: until)
                    }
                case .wait:
                    guard let event = await group.next() else { break running }
                    winner = await self.handle(event, of: operation)
                    if case .news = event { self.listen(to: operation, in: &group) }
                case .over: break running
                }
            }
            // Those who wait hear of it before the losers are closed, which may take them a while.
            let result: Result<ConnectionEntry, DialError> =
                if let winner {
                    .success(winner)
                } else {
                    .failure(operation.error(Task.isCancelled || operation.isAbandoned ? .cancelled : .exhausted))
                }
            self.finish(operation, with: result)
            group.cancelAll()
            for await event in group {
                if case .connected(let loser, _) = event { await self.discard(loser, .supplanted) }
            }
            operation.attemptsEnded()
        }
    }

    private func listen(to operation: DialOperation, in group: inout TaskGroup<DialEvent>) {
        group.addTask {
            _ = await operation.news.next()
            return .news
        }
    }

    /// Tells the run what has happened; returns the connection that ends it.
    private func handle(_ event: DialEvent, of operation: DialOperation) async -> ConnectionEntry? {
        switch event {
        case .connected(let entry, let address): return await self.take(entry, at: address, for: operation)
        case .failed(let attempt):
            let now = self.clock.now()
            operation.update { $0.failed(attempt, at: now) }
        case .lookedUp(let list, let found):
            // Whoever told of the list has told of what it leads to.
            let known = operation.known(list)
            let origin = known.origin ?? .internet
            let candidates = found.map { addresses in
                self.candidates(
                    addresses.map { KnownAddress($0, source: known.source, origin: origin) }, of: operation.peer, on: operation.terms,
                    areNamed: operation.hasNames)
            }
            operation.lookedUp(list, candidates, at: self.clock.now())
        case .searched(let finder, let failure): operation.update { $0.searched(by: finder, failure: failure) }
        case .slept(let deadline): operation.update { $0.slept(until: deadline) }
        case .news: break
        }
        return nil
    }

    /// Lists a connection; returns it unless the run goes on for a better one.
    private func take(_ entry: ConnectionEntry, at address: Multiaddr, for operation: DialOperation) async -> ConnectionEntry? {
        if entry.info.isLimited, operation.isSettled {
            await self.discard(entry, .supplanted)
            operation.update { _ = $0.settled(for: address) }
            return nil
        }
        do throws(TransportError) {
            try await self.admit(entry)
        } catch {
            let now = self.clock.now()
            operation.update { $0.failed(DialAttempt(address: address, error: error), at: now) }
            return nil
        }
        self.backOff.withLock { $0.succeeded(address) }
        if operation.terms.areOrdinary {
            let now = self.clock.now()
            let lesson = operation.lesson(of: address, at: now)
            self.experience.withLock { $0.learn(lesson, of: entry.info.remotePeer, at: now) }
        }
        self.peerstore.later(self.sighting(of: entry.info))
        // Whoever waits has what they wanted. But streams fare better over a direct connection, and it may be a moment away.
        let deadline = self.clock.now().advanced(by: self.configuration.handshakeTimeout)
        return entry.info.isLimited && operation.settle(for: entry, at: address, until: deadline) ? nil : entry
    }

    /// That the peer is there, and where it was reached.
    package func sighting(of connection: ConnectionInfo) -> PeerChange {
        var change = PeerChange(of: connection.remotePeer)
        change.isSeen = true
        guard connection.isDialled else { return change }
        let origin = self.judge.origin(of: connection.remoteAddress, toldAt: Meeting(connection))
        change.add(
            KnownAddress(connection.remoteAddress, source: .connected, origin: origin), timeToLive: self.peerstore.metPeerTimeToLive)
        return change
    }

    // MARK: One address

    /// Tries one address until its place is called back.
    private func attempt(_ address: Multiaddr, for operation: DialOperation, until recalled: Signal) async -> DialEvent {
        await withTaskGroup(of: DialEvent?.self) { group in
            group.addTask { await self.attempt(address, for: operation) }
            group.addTask {
                await recalled.wait()
                return nil
            }
            var result: DialEvent?
            for await event in group {
                group.cancelAll()
                result = result ?? event
            }
            return result ?? .failed(DialAttempt(address: address, error: TransportError(.cancelled, "the attempt was cancelled")))
        }
    }

    /// Tries one address, which has the time of the handshakes for everything, the gater's decisions included. The end of the dial
    /// cancels it.
    private func attempt(_ address: Multiaddr, for operation: DialOperation) async -> DialEvent {
        let observation = operation.observation?.begin(.attempt(address))
        let event = await observation.whileCurrent { await self.run(address, for: operation) }
        switch event {
        case .connected(let entry, _): observation.end(.connected(entry.info))
        case .failed(let attempt): observation.end(.failed(attempt.error))
        case .lookedUp, .searched, .slept, .news: break
        }
        return event
    }

    private func run(_ address: Multiaddr, for operation: DialOperation) async -> DialEvent {
        let deadline = self.clock.now().advanced(by: self.configuration.handshakeTimeout)
        do throws(TransportError) {
            try await self.gate(address, of: operation.peer, by: deadline)
            let connection = try await self.connect(to: address, for: operation, by: deadline)
            let entry = try await self.vet(
                try await self.count(connection, by: deadline), dialledAt: address, by: deadline, whenCancelled: .supplanted)
            return .connected(entry, at: address)
        } catch {
            return .failed(DialAttempt(address: address, error: error))
        }
    }

    func gate(_ address: Multiaddr, of peer: PeerID?, by deadline: NIODeadline) async throws(TransportError) {
        try await self.ask(by: deadline) { await self.gater.mayDial(address, peer: peer) }
    }

    /// Throws unless the gater grants an address in time.
    func ask(by deadline: NIODeadline, _ question: @escaping @Sendable () async -> GateAnswer) async throws(TransportError) {
        guard self.asksGater || Task.isCancelled else { return }
        guard let answer = await self.clock.result(by: deadline, late: { _ in }, of: question) else {
            throw TransportError(Task.isCancelled ? .cancelled : .timedOut, "the gater did not decide on the address in time")
        }
        if let refusal = answer.refusal("the gater refused the address") { throw TransportError(.gated, refusal) }
    }

    /// Which of the addresses of a name may be dialled; nil for all, and where there is no name.
    private func filter(
        of address: Multiaddr, for operation: DialOperation, by deadline: NIODeadline
    ) -> (@Sendable (IPAddress) async throws(TransportError) -> Void)? {
        guard address.ipAddress == nil else { return nil }
        let (known, peer) = (operation.known(address), operation.peer)
        // Some names say by themselves where they lead, and were judged for that.
        let judge = address.reach == nil && known.source != .given ? self.judge : nil
        guard judge != nil || self.asksGater else { return nil }
        return { (ip: IPAddress) async throws(TransportError) in
            guard judge?.mayReach(ip, namedBy: known) != false else {
                throw TransportError(
                    .unreachable, "\(address) leads to another network than the internet, which whoever named it may not")
            }
            try await self.ask(by: deadline) { await self.gater.mayReach(ip, namedBy: address, peer: peer) }
        }
    }

    private func connect(
        to address: Multiaddr, for operation: DialOperation, by deadline: NIODeadline
    ) async throws(TransportError) -> any MuxedConnection {
        let (peer, terms) = (operation.peer, operation.terms)
        let connection: any MuxedConnection
        do throws(TransportError) {
            guard let transport = self.transports.first(where: { $0.canDial(address) }) else {
                throw TransportError(.unsupportedAddress, "no transport of this host dials it")
            }
            var options = DialOptions(deadline: deadline, role: terms.role, localAddress: terms.localAddress)
            options.onConnected = {
                let now = self.clock.now()
                operation.update { $0.progressed(address, at: now) }
                self.experience.withLock { $0.answered(address) }
            }
            options.mayReach = self.filter(of: address, for: operation, by: deadline)
            connection = try await transport.dial(address, expecting: peer, options: options)
            let remotePeer = connection.info.remotePeer
            if let peer, peer != remotePeer {
                await connection.close(.normal, grace: .zero)
                throw TransportError(.peerMismatch, "\(remotePeer) answered instead of \(peer)")
            }
        } catch {
            // What this side refuses says nothing of the address.
            if terms.areOrdinary, ![.cancelled, .gated, .resourceLimit].contains(error.code), !Task.isCancelled {
                self.backOff.withLock { $0.failed(address, at: self.clock.now()) }
                self.experience.withLock { $0.failed(address) }
            }
            throw error
        }
        guard terms.allowsLimited || !connection.info.isLimited else {
            await connection.close(.normal, grace: .zero)
            throw Self.onlyRelayed
        }
        return connection
    }
}
