import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr

/// One dial from its first address to its end, as a value: what becomes known goes in, what to do next and the final error come out.
/// No clock, no sockets.
struct DialRun: Sendable {
    enum Step: Equatable, Sendable {
        /// Dial this one, without `/p2p`; then say ``DialRun/failed(_:at:)`` unless it led to a connection.
        case dial(Multiaddr)
        /// Cancel this attempt, whose place another address needs; then say what came of it all the same.
        case recall(Multiaddr)
        /// Look up this list of addresses; then say ``DialRun/lookedUp(_:_:at:)``.
        case lookUp(Multiaddr)
        /// Ask every finder; then say ``DialRun/searched(by:failure:)`` of each.
        case search
        /// Have somebody say ``DialRun/slept(until:)`` then.
        case sleep(until: NIODeadline)
        /// Nothing to do before something has happened.
        case wait
        /// There is nothing left to try.
        case over
    }

    /// Why there is no connection.
    enum Ending {
        case exhausted
        case expired
        case cancelled
    }

    private enum Aim {
        /// Any connection that the terms allow.
        case connection
        /// A direct one, since one that a relay lends stands already.
        case directConnection
    }

    private enum Search {
        case unwanted
        case wanted
        case begun
    }

    /// Whom to expect; nil when any peer will do.
    let peer: PeerID?
    /// Addresses that led nowhere, those that were not tried among them.
    private(set) var attempts: [DialAttempt] = []

    private var plan: DialPlan
    private let ranker: DialRanker
    private let experience: DialExperience
    /// Addresses that ended without a word, after long enough for that to mean something.
    private var silent: [Multiaddr] = []
    private var aim = Aim.connection
    /// Everything that was tried or will be: addresses without `/p2p`, lists with it where the peer is known.
    private var known: Set<Multiaddr> = []
    private var addressCount = 0
    private var listCount = 0
    /// Lists whose look-up has not begun.
    private var lists: [Multiaddr] = []
    private var running: [Multiaddr] = []
    /// What was told of and is not tried, each as it was told.
    private var refused: [Multiaddr: Multiaddr] = [:]
    private var search = Search.unwanted
    /// Finders that are not done, by name.
    private var finders: [String]
    private var searchFailures: [String] = []
    /// When somebody will say that so much time has passed.
    private var sleeps: Set<NIODeadline> = []

    /// How long the last address that is known may be silent before finders are asked beside it.
    static let searchPatience = TimeAmount.seconds(1)

    /// - Parameters:
    ///   - finders: the names of those that can be asked.
    ///   - experience: what dials before this one have taught.
    init(
        peer: PeerID?, finders: [String] = [], ranker: DialRanker = DialRanker(), experience: DialExperience = DialExperience(),
        limits: DialLimits = DialLimits()
    ) {
        self.peer = peer
        self.finders = finders
        self.ranker = ranker
        self.experience = experience
        self.plan = DialPlan(limits)
    }

    /// Attempts that have not ended.
    var openCount: Int { self.plan.openCount }

    /// Those beyond what every dial may have open.
    var lentCount: Int { self.plan.lentCount }

    /// Whether the next attempt needs a place that the host lends.
    var needsLoan: Bool { self.plan.needsLoan }

    // MARK: What to do

    /// What to do now; ask again until it says `.wait` or `.over`.
    ///
    /// - Parameters:
    ///   - alarm: when to be woken in any case.
    ///   - isLent: the host lends a place, if ``needsLoan``.
    mutating func next(at now: NIODeadline, alarm: NIODeadline, isLent: Bool = true) -> Step {
        if !self.lists.isEmpty { return .lookUp(self.lists.removeFirst()) }
        switch self.plan.next(at: now, isLent: isLent) {
        case .dial(let address):
            self.running.append(address)
            return .dial(address)
        case .recall(let address): return .recall(address)
        case .wait(let turn):
            let search = self.searchTime
            if let search, search <= now { return self.beginSearch() }
            let until = [turn, search, alarm].compactMap { $0 }.min() ?? alarm
            guard !self.sleeps.contains(where: { $0 <= until }) else { return .wait }
            self.sleeps.insert(until)
            return .sleep(until: until)
        case .exhausted:
            guard self.search == .wanted, !self.finders.isEmpty else { return .over }
            return self.beginSearch()
        }
    }

    /// When finders are asked though not every address has failed: silence is no reason to wait for the end of it.
    private var searchTime: NIODeadline? {
        guard self.search == .wanted, !self.finders.isEmpty else { return nil }
        return self.plan.quietSince.map { $0 + Self.searchPatience }
    }

    private mutating func beginSearch() -> Step {
        self.search = .begun
        self.plan.lookupsBegan(self.finders.count)
        return .search
    }

    // MARK: What has become known

    /// Takes in addresses that are worth a try, and notes why the others are not. Those that it knows are passed over.
    mutating func add(_ candidates: [DialCandidate], at now: NIODeadline) {
        var fresh: [Multiaddr] = []
        for candidate in candidates {
            let address = candidate.address
            let target = self.target(of: address)
            guard !self.known.contains(target), self.aim == .connection || !address.isRelayed else { continue }
            if let peer = self.peer, let named = address.peerID, named != peer {
                self.refuse(address, as: address, TransportError(.peerMismatch, "the address names \(named), not \(peer)"))
                continue
            }
            if let objection = candidate.objection ?? self.limit(beyond: address) {
                self.refuse(address, as: target, objection)
                continue
            }
            self.known.insert(target)
            // What spoke against it may be of no account to whoever names it now.
            if let given = self.refused.removeValue(forKey: target) { self.attempts.removeAll { $0.address == given } }
            if address.isAddressList {
                self.listCount += 1
                self.lists.append(target)
                self.plan.lookupsBegan(1)
            } else {
                self.addressCount += 1
                fresh.append(target)
            }
        }
        self.plan.add(self.ranker.rank(fresh, by: self.experience, at: now), at: now)
    }

    private func target(of address: Multiaddr) -> Multiaddr {
        let bare = address.withoutPeerID
        guard address.isAddressList else { return bare }
        return self.peer.map { bare.withPeerID($0) } ?? address
    }

    private func limit(beyond address: Multiaddr) -> TransportError? {
        let (count, limit, name) =
            address.isAddressList
            ? (self.listCount, SwarmConfiguration.maximumListsPerDial, "maximumListsPerDial")
            : (self.addressCount, SwarmConfiguration.maximumAddressesPerDial, "maximumAddressesPerDial")
        return count < limit ? nil : TransportError(.resourceLimit, "it was left out", cause: LimitError(limit: name, value: limit))
    }

    private mutating func refuse(_ address: Multiaddr, as target: Multiaddr, _ reason: TransportError) {
        guard self.refused[target] == nil, self.refused.count < SwarmConfiguration.maximumRefusalsPerDial else { return }
        self.refused[target] = address
        self.attempts.append(DialAttempt(address: address, error: reason))
    }

    /// Nothing was said of where the peer is: once all that is known has failed or says nothing, the finders are asked.
    mutating func wantSearch() {
        if self.search == .unwanted { self.search = .wanted }
    }

    /// Somebody answers at the address, and the handshakes have begun.
    mutating func progressed(_ address: Multiaddr, at now: NIODeadline) {
        self.plan.progressed(address, at: now)
    }

    /// An address led nowhere, or was called back.
    mutating func failed(_ attempt: DialAttempt, at now: NIODeadline) {
        let address = attempt.address
        if self.isSilent(address, at: now) { self.silent.append(address) }
        self.running.removeAll { $0 == address }
        let error = self.plan.hasAnswered(address) ? Self.inHandshakes(attempt.error) : attempt.error
        if !self.plan.failed(address, isCancelled: error.code == .cancelled) {
            self.attempts.append(DialAttempt(address: address, error: error))
        }
    }

    /// Programs tell an address where nobody answered in time from one whose handshakes were late: those have ``TransportError/Code/securityFailed``
    /// as the cause.
    private static func inHandshakes(_ error: TransportError) -> TransportError {
        guard error.code == .timedOut else { return error }
        return TransportError(.timedOut, error.message, cause: TransportError(.securityFailed, error.message, cause: error.cause))
    }

    private func isSilent(_ address: Multiaddr, at now: NIODeadline) -> Bool {
        self.plan.silence(of: address, at: now).map { $0 >= DialExperience.tellingSilence } ?? false
    }

    /// What it teaches that the peer was reached at the address.
    func lesson(of address: Multiaddr, at now: NIODeadline) -> DialExperience.Lesson {
        let silent = self.silent + self.running.filter { self.isSilent($0, at: now) }
        return DialExperience.Lesson(answered: address, silent: silent.filter { $0 != address })
    }

    /// An address led to a connection that a relay lends. True when others may lead to a better one: then the run goes on with those.
    mutating func settled(for address: Multiaddr) -> Bool {
        self.running.removeAll { $0 == address }
        self.plan.succeeded(address) { !$0.isRelayed }
        self.aim = .directConnection
        if self.search == .wanted { self.search = .unwanted }
        return (self.running + self.plan.untried).contains { !$0.isRelayed }
    }

    /// A look-up has ended.
    mutating func lookedUp(_ list: Multiaddr, _ found: Result<[DialCandidate], TransportError>, at now: NIODeadline) {
        self.plan.lookupEnded()
        switch found {
        case .success(let candidates): self.add(candidates.filter { !$0.address.isAddressList }, at: now)
        case .failure(let error): self.attempts.append(DialAttempt(address: list, error: error))
        }
    }

    /// A finder is done.
    mutating func searched(by finder: String, failure: DialError?) {
        self.plan.lookupEnded()
        if let index = self.finders.firstIndex(of: finder) { self.finders.remove(at: index) }
        if let failure { self.searchFailures.append("\(finder): \(failure)") }
    }

    /// So much time has passed.
    mutating func slept(until deadline: NIODeadline) {
        self.sleeps.remove(deadline)
    }

    // MARK: The end

    /// What to tell those who wait, with the reason for every address.
    func error(_ ending: Ending) -> DialError {
        let target = self.peer?.description ?? "any peer"
        switch ending {
        case .cancelled: return DialError(.cancelled, "the dial of \(target) was cancelled", attempts: self.attempts)
        case .expired:
            let late = self.running.map { address -> DialAttempt in
                guard self.plan.hasAnswered(address) else { return self.late(address, "no connection by the deadline of the dial") }
                let late = self.late(address, "somebody took the connection, but the handshakes were not over by the deadline of the dial")
                return DialAttempt(address: address, error: Self.inHandshakes(late.error))
            }
            let never = self.plan.untried.map { address in
                self.late(
                    address,
                    self.plan.wasRecalled(address)
                        ? "it had not answered when others needed its place, and its second turn had not come by the deadline of the dial"
                        : "its turn had not come by the deadline of the dial")
            }
            return DialError(
                .timedOut, "\(target) was not reached by the deadline\(self.searches)", attempts: self.attempts + late + never)
        case .exhausted:
            guard !self.attempts.isEmpty else {
                return DialError(.noAddresses, "no address is known for \(self.peer?.description ?? "the dial")\(self.searches)")
            }
            let isWrongPeer = self.attempts.allSatisfy { $0.error.code == .peerMismatch }
            let which = self.attempts.count == 1 ? "the only address" : "all \(self.attempts.count) addresses"
            return DialError(
                isWrongPeer ? .peerMismatch : .allAddressesFailed, "\(which) of \(target) failed\(self.searches)", attempts: self.attempts)
        }
    }

    private func late(_ address: Multiaddr, _ message: String) -> DialAttempt {
        DialAttempt(address: address, error: TransportError(.timedOut, message))
    }

    /// What came of asking, for people.
    private var searches: String {
        guard self.search == .begun else { return "" }
        let results = self.searchFailures + self.finders.map { "\($0): not done by then" }
        return results.isEmpty ? " (nothing else was found)" : " (\(results.joined(separator: "; ")))"
    }
}
