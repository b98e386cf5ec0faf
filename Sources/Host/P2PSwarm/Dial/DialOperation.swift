import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// A dial that is under way; every task that wants the same waits for it, each until its own deadline.
///
/// It belongs to the host, not to the first task that asked: so it goes on while anybody waits, and is cancelled when
/// nobody does.
package final class DialOperation: Sendable {
    private struct State {
        var run: DialRun
        /// What the run has not been told of yet.
        var arrived: [DialCandidate] = []
        /// In the order in which they came.
        var waiters: [DialWaiter] = []
        /// Somebody knew addresses, so those that have failed lately are tried again.
        var hasNames = false
        /// The names among what it was told of, and what speaks for each: what they lead to is judged by that.
        var names: [Multiaddr: KnownAddress] = [:]
        /// It ends: nobody joins any more.
        var isClosed = false
        /// Attempts that have places of the host's.
        var loans = 0
        /// Until when it goes on for nobody, since there is a connection and may be a better one.
        var improvesUntil: NIODeadline?
        var observation: Observation?

        mutating func note(_ candidates: [DialCandidate]) {
            for candidate in candidates where candidate.address.ipAddress == nil {
                let name = candidate.address.withoutPeerID
                guard self.names.count < SwarmConfiguration.maximumAddressesPerDial || self.names[name] != nil else { return }
                if self.names[name]?.source != .given { self.names[name] = candidate.known }
            }
        }

        mutating func takeWaiters(where isTaken: (DialWaiter) -> Bool) -> [DialWaiter] {
            let taken = self.waiters.filter(isTaken)
            if !taken.isEmpty { self.waiters.removeAll(where: isTaken) }
            if self.waiters.isEmpty { self.isClosed = true }
            return taken
        }
    }

    /// Whom to expect; nil when any peer will do.
    let peer: PeerID?
    let terms: DialTerms
    /// Nobody waits any more, or the host stops.
    private let abandoned = Atomic(false)
    /// Yields when there is more to take into account than the attempts have brought: somebody has joined or found something, or all have left.
    let news = Inbox<Void, Never>(limit: 1)

    private let places: LentPlaces
    private let state: Mutex<State>

    /// - Parameter places: lends what the dial needs beyond its own.
    init(_ run: DialRun, terms: DialTerms = DialTerms(), places: LentPlaces = LentPlaces(limit: SwarmConfiguration.lentAttempts)) {
        self.peer = run.peer
        self.terms = terms
        self.places = places
        self.state = Mutex(State(run: run))
    }

    /// How observers see the dial; nil where there are none.
    var observation: Observation? {
        get { self.state.withLock { $0.observation } }
        set { self.state.withLock { $0.observation = newValue } }
    }

    // MARK: Those who wait

    var waiterCount: Int { self.state.withLock { $0.waiters.count } }

    /// Until when it goes on, as it stands now.
    var deadline: NIODeadline {
        self.state.withLock { $0.waiters.lazy.map(\.deadline).max() ?? $0.improvesUntil } ?? .distantFuture
    }

    /// Whether somebody who waits knew addresses.
    var hasNames: Bool { self.state.withLock { $0.hasNames } }

    /// Takes in somebody who wants the same; nil when it is ending.
    ///
    /// - Parameter areNamed: the candidates are what they knew; otherwise what the peerstore knew, and then finders may be asked as well.
    func join(_ candidates: [DialCandidate], areNamed: Bool, until deadline: NIODeadline) -> DialWaiter? {
        let waiter = self.state.withLock { state -> DialWaiter? in
            guard !state.isClosed else { return nil }
            let waiter = DialWaiter(until: deadline)
            state.waiters.append(waiter)
            state.arrived += candidates
            state.note(candidates)
            if areNamed { state.hasNames = true } else { state.run.wantSearch() }
            return waiter
        }
        if waiter != nil { _ = self.news.offer(()) }
        return waiter
    }

    /// Waits for the end, or the waiter's deadline.
    func wait(_ waiter: DialWaiter) async -> Result<ConnectionEntry, DialError> {
        let result = await waiter.wait()
        if result == nil {
            let isAbandoned = self.state.withLock { state in
                let wasOpen = !state.isClosed
                _ = state.takeWaiters { $0 === waiter }
                return wasOpen && state.isClosed
            }
            if isAbandoned { self.abandon() }
        }
        return result ?? .failure(DialError(.cancelled, "the task that dialled was cancelled"))
    }

    /// Whether the run is to end.
    var isAbandoned: Bool { self.abandoned.load(ordering: .sequentiallyConsistent) }

    /// Has the run end, which sees to it at once.
    func abandon() {
        self.abandoned.store(true, ordering: .sequentiallyConsistent)
        _ = self.news.offer(())
    }

    /// Tells everybody who waits; only the first result counts.
    func complete(_ result: Result<ConnectionEntry, DialError>) {
        let waiters = self.state.withLock { state in
            state.isClosed = true
            return state.takeWaiters { _ in true }
        }
        if let observation = self.observation {
            switch result {
            case .success(let entry): observation.end(.connected(entry.info))
            case .failure(let error): observation.end(.failed(error))
            }
        }
        for waiter in waiters { waiter.complete(result) }
    }

    /// Tells everybody who waits of a connection that a relay lends.
    ///
    /// - Parameter deadline: until when it goes on, for nobody, if there are addresses that may lead to a direct connection.
    /// - Returns: whether there are.
    func settle(for entry: ConnectionEntry, at address: Multiaddr, until deadline: NIODeadline) -> Bool {
        let (waiters, goesOn) = self.state.withLock { state in
            let goesOn = state.run.settled(for: address)
            self.returnLoans(&state)
            state.improvesUntil = deadline
            state.isClosed = true
            return (state.takeWaiters { _ in true }, goesOn)
        }
        self.observation?.end(.connected(entry.info))
        for waiter in waiters { waiter.complete(.success(entry)) }
        return goesOn
    }

    /// Whether there is a connection, and only a direct one matters.
    var isSettled: Bool { self.state.withLock { $0.improvesUntil != nil } }

    // MARK: The run

    /// What to do now. Those whose deadline has passed are told; with the last of them it is over.
    func next(at now: NIODeadline) -> DialRun.Step {
        let (step, late, run) = self.state.withLock { state -> (DialRun.Step, [DialWaiter], DialRun?) in
            state.run.add(state.arrived, at: now)
            state.arrived = []
            let late = state.takeWaiters { $0.deadline <= now }
            var step = DialRun.Step.over
            let alarm = state.waiters.lazy.map(\.deadline).min() ?? state.improvesUntil
            if let alarm, alarm > now { step = self.next(at: now, alarm: alarm, &state) }
            if step == .over { state.isClosed = true }
            return (step, late, late.isEmpty ? nil : state.run)
        }
        if let error = run?.error(.expired) {
            for waiter in late { waiter.complete(.failure(error)) }
        }
        return step
    }

    private func next(at now: NIODeadline, alarm: NIODeadline, _ state: inout State) -> DialRun.Step {
        let isLent = state.run.needsLoan && self.places.lend()
        if isLent { state.loans += 1 }
        defer { self.returnLoans(&state) }
        return state.run.next(at: now, alarm: alarm, isLent: isLent)
    }

    private func returnLoans(_ state: inout State) {
        let surplus = state.loans - state.run.lentCount
        guard surplus > 0 else { return }
        state.loans -= surplus
        self.places.giveBack(surplus)
    }

    /// A list has led to these, or to nothing.
    func lookedUp(_ list: Multiaddr, _ found: Result<[DialCandidate], TransportError>, at now: NIODeadline) {
        self.state.withLock { state in
            if case .success(let candidates) = found { state.note(candidates) }
            state.run.lookedUp(list, found, at: now)
        }
    }

    /// What speaks for a name or a list that it was told of; nothing for one that it does not know.
    func known(_ name: Multiaddr) -> KnownAddress {
        self.state.withLock { $0.names[name.withoutPeerID] } ?? KnownAddress(name, source: .identify, origin: .internet)
    }

    /// Something has happened that the run is to know of.
    func update(_ change: (inout DialRun) -> Void) {
        self.state.withLock { state in
            change(&state.run)
            self.returnLoans(&state)
        }
    }

    /// What the run teaches those after it.
    func lesson(of address: Multiaddr, at now: NIODeadline) -> DialExperience.Lesson {
        self.state.withLock { $0.run }.lesson(of: address, at: now)
    }

    /// No attempt is left: what was lent goes back.
    func attemptsEnded() {
        self.state.withLock { state in
            self.places.giveBack(state.loans)
            state.loans = 0
        }
    }

    /// A finder has found addresses; those that there is no room for are left out.
    func found(_ candidates: [DialCandidate]) {
        self.state.withLock { state in
            let room = SwarmConfiguration.maximumAddressesPerDial - state.arrived.count
            guard !state.isClosed else { return }
            state.arrived += candidates.prefix(max(0, room))
            state.note(candidates)
        }
        _ = self.news.offer(())
    }

    /// Why it led to no connection.
    func error(_ ending: DialRun.Ending) -> DialError { self.state.withLock { $0.run }.error(ending) }
}
