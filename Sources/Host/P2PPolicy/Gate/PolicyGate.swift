public import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

/// Holds a host to a policy: where it listens (`tcp-listen`, `udp-listen`), whom it dials and where that leads (`peer-dial`), whose connections
/// it keeps (`peer-accept`), which streams it opens (`stream-open`) and serves (`service`).
///
/// The rules may be replaced at any time; what is no longer granted, or whose time is up, is closed. Rules of other kinds
/// are answered by ``Policy/decide(_:leadingTo:using:)`` for whoever does such things; what they deny of sockets counts for dials, too.
///
/// ```swift
/// let gate = PolicyGate(try Policy("allow tcp-listen:4001\ndeny peer-accept:*@[2001:db8::/32]:*"))
/// let host = try await PeerHost.standard(modules: .standard.adding(gate))
/// ```
///
/// One gate is for one host. An application that wants to be asked about what the rules leave open (`ask`) passes a ``PolicyAsking``.
public final class PolicyGate: HostModule {
    private struct State {
        var ledger: PolicyLedger
        /// Connections that are to be closed and are not gone yet: one that has just been let through can't be found at once.
        var condemned: Set<ConnectionID> = []
        /// Listeners that are to be closed.
        var condemnedListeners: [Multiaddr] = []
        /// The time at which everything was looked at last, in seconds since 1970.
        var reviewed: Int64
        /// Fires when there is something to close, or the rules are others.
        var change = Signal()
        var clock = HostClock.system
    }

    private let state: Mutex<State>
    private let time: @Sendable () -> WallTime
    private let questions: PolicyQuestions?

    /// A gate that holds its host to those rules.
    ///
    /// - Parameter asking: who is asked about what the rules leave open; with nobody, that is refused.
    public convenience init(_ policy: Policy, asking: PolicyAsking? = nil) {
        self.init(policy, asking: asking) { .now }
    }

    package init(_ policy: Policy, asking: PolicyAsking? = nil, time: @escaping @Sendable () -> WallTime) {
        self.state = Mutex(State(ledger: PolicyLedger(policy), reviewed: time().secondsSince1970))
        self.time = time
        self.questions = asking.map(PolicyQuestions.init)
    }

    /// The rules that hold now.
    public var policy: Policy { self.state.withLock { $0.ledger.policy } }

    /// From now on these rules hold. What they no longer grant is closed: streams at once, the rest within a second.
    ///
    /// - Returns: how many that is.
    @discardableResult
    public func replace(with policy: Policy) -> PolicyReview {
        self.questions?.forget()
        return self.review { ledger, time in ledger.replace(with: policy, at: time) }
    }

    /// Decides with the host's gaters, and closes what is no longer granted.
    public func join(_ plan: inout HostPlan) {
        let clock = plan.host.clock
        self.state.withLock { $0.clock = clock }
        plan.gaters.append(self)
        plan.streamGaters.append(self)
        plan.services.append(HostService("policy") { host in await self.watch(host) })
    }

    // MARK: Deciding

    /// How many things are kept track of, for tests.
    package var grantCount: Int { self.state.withLock { $0.ledger.count } }

    package var now: Int64 { self.time().secondsSince1970 }

    /// Decides, asks if it has to, and keeps what is granted if that is a thing.
    func decide(
        _ question: PolicyQuestion, leadingTo address: IPAddress? = nil, for thing: PolicyLedger.Thing? = nil, _ stream: PeerStream? = nil,
        end: PolicyEnd? = nil
    ) async -> PolicyAnswer {
        let (answer, clock) = self.state.withLock { state in
            (state.ledger.decide(question, leadingTo: address, for: thing, stream, end: end), state.clock)
        }
        guard case .ask(let rule) = answer.reason else { return answer }
        let refusal = await self.ask(question, leadingTo: address, rule, clock)
        if let refusal { return PolicyAnswer(question: question, reason: .declined(rule, refusal)) }
        return self.state.withLock { $0.ledger.agree(to: question, leadingTo: address, by: rule, for: thing, stream, end: end) }
    }

    /// Decides as far as can be done before it is known who comes, or where a name leads.
    func decideBeforehand(_ question: PolicyQuestion) -> PolicyAnswer {
        self.state.withLock { $0.ledger.policy }.decideBeforehand(question)
    }

    /// Whether a rule denies something that comes with something else.
    func refusal(of question: PolicyQuestion, leadingTo address: IPAddress?) -> PolicyAnswer? {
        self.state.withLock { $0.ledger.policy }.refusal(of: question, leadingTo: address)
    }

    /// The thing is gone.
    func release(_ thing: PolicyLedger.Thing) {
        self.state.withLock { state in
            state.ledger.release(thing)
            if case .connection(let id) = thing { state.condemned.remove(id) }
        }
    }

    /// Asks the application; returns why not, or nil for yes. The answer for a name holds for its public addresses.
    private func ask(_ question: PolicyQuestion, leadingTo address: IPAddress?, _ rule: PolicyRule, _ clock: HostClock) async -> String? {
        guard let questions = self.questions else { return "nobody is there to be asked" }
        var asked = question
        if let address, PolicyAddressScope(PolicyAddressScope.effective(address, for: question.kind)) != .public {
            asked.asker.address = address
        }
        switch await questions.answer(to: asked, by: rule, clock: clock) {
        case .yes: return nil
        case .no: return "the answer was no"
        case .late: return "there was no answer in time"
        case .tooMany: return "too many questions are open"
        case .cancelled: return "nobody waits for the answer any more"
        }
    }

    // MARK: What was granted and is no longer

    private func review(_ body: (inout PolicyLedger, Int64) -> PolicyLedger.Withdrawal) -> PolicyReview {
        let time = self.now
        let (withdrawal, change, count) = self.state.withLock { state in
            let withdrawal = body(&state.ledger, time)
            state.reviewed = time
            state.condemned.formUnion(withdrawal.connections)
            state.condemnedListeners += withdrawal.listeners
            defer { state.change = Signal() }
            return (withdrawal, state.change, state.ledger.policy.rules.count)
        }
        for stream in withdrawal.streams { stream.reset(.gated) }
        for socket in withdrawal.sockets { socket.end("\(socket.answer)") }
        change.fire()
        return PolicyReview(
            rules: count, connections: withdrawal.connections.count, streams: withdrawal.streams.count,
            listeners: withdrawal.listeners.count, sockets: withdrawal.sockets.count)
    }

    /// Looks at everything anew where a rule has ended by itself since that was done last; says whether one has.
    package func reviewIfDue() -> Bool {
        let isDue = self.state.withLock { state in
            let now = self.now
            // What has come once comes again where the clock was set back.
            state.reviewed = min(state.reviewed, now)
            return state.ledger.nextDeadline(after: state.reviewed).map { $0 <= now } ?? false
        }
        if isDue { _ = self.review { ledger, time in ledger.review(at: time) } }
        return isDue
    }

    private func watch(_ host: any HostAccess) async {
        while !Task.isCancelled {
            let (condemned, listeners, change) = self.state.withLock { state in
                defer { state.condemnedListeners = [] }
                return (state.condemned, state.condemnedListeners, state.change)
            }
            for address in listeners { host.stopListening(on: address) }
            await withTaskGroup(of: Void.self) { group in
                for id in condemned { group.addTask { await host.disconnect(id, code: .gated, grace: .zero) } }
                // All are being closed then; a handler that does not end holds up nobody else.
                await group.next()
                group.cancelAll()
            }
            // A wall clock may be set, so a deadline is looked at rather than waited for.
            let isWaiting = self.state.withLock { $0.ledger.nextDeadline(after: .min) == nil && $0.condemned.isEmpty }
            if self.reviewIfDue() {
                continue
            } else if isWaiting {
                await change.wait()
            } else {
                await host.clock.sleep(for: Self.interval, orUntil: change)
            }
        }
    }

    /// Between two looks at the time, where rules end by themselves, and at what is to be closed.
    package static let interval = Duration.milliseconds(500)
}

extension HostClock {
    /// Returns when so much time has passed, or when that happens.
    fileprivate func sleep(for duration: Duration, orUntil change: Signal) async {
        await change.cancelling { await self.sleep(for: duration) }
    }
}
