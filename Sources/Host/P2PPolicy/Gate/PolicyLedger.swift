import P2PCore
import P2PMultiaddr

/// Ends something that is granted no longer, and says why.
package typealias PolicyEnd = @Sendable (String) -> Void

/// What there is of what a policy has granted: connections, streams, listeners. A value; nothing is closed here.
struct PolicyLedger {
    /// What was granted.
    enum Thing: Hashable {
        case connection(ConnectionID)
        case listener(Multiaddr)
        /// One that is opened stands here once for each protocol that it may have.
        case stream(ObjectIdentifier, ProtocolID)
        /// A plain socket of this program.
        case socket(ObjectIdentifier)
    }

    private struct Grant {
        var question: PolicyQuestion
        let address: IPAddress?
        /// Which rule grants it; nil where the kind is open.
        var rule: PolicyRule?
        /// The application agreed to it.
        var isAgreed: Bool
        let number: UInt64
        let stream: WeakStream?
        let end: PolicyEnd?
    }

    /// A stream that others hold, which ends when they let go of it.
    private struct WeakStream {
        weak var stream: PeerStream?
        let protocolID: ProtocolID

        /// The stream while it lives and may speak the protocol.
        var living: PeerStream? {
            guard let stream = self.stream, stream.muxed.failure == nil else { return nil }
            guard let agreed = stream.protocolID else { return stream }
            return agreed == self.protocolID ? stream : nil
        }
    }

    /// What has to be closed, since it is granted no longer.
    struct Withdrawal {
        var connections: [ConnectionID] = []
        var listeners: [Multiaddr] = []
        var streams: [PeerStream] = []
        var sockets: [(end: PolicyEnd, answer: PolicyAnswer)] = []
    }

    private(set) var policy: Policy
    private var grants: [Thing: Grant] = [:]
    private var uses: [PolicyRule: Int] = [:]
    private var last: UInt64 = 0
    /// When streams that are gone are looked for again.
    private var sweepSize = Self.leastSweep

    private static let leastSweep = 256

    init(_ policy: Policy) { self.policy = policy }

    /// How many things it holds on to, for tests.
    var count: Int { self.grants.count }

    // MARK: Deciding

    /// Decides, and keeps what it grants if that is a thing.
    mutating func decide(
        _ question: PolicyQuestion, leadingTo address: IPAddress?, for thing: Thing? = nil, _ stream: PeerStream? = nil,
        end: PolicyEnd? = nil
    ) -> PolicyAnswer {
        if let thing { self.release(thing) }
        var answer = self.decision(question, address)
        if case .full = answer.reason, self.sweep() { answer = self.decision(question, address) }
        if answer.isGranted, let thing { self.keep(thing, question, address, answer.rule, isAgreed: false, stream, end) }
        return answer
    }

    /// The application agreed to what a rule has asked: decides again, since the rules may be others by now.
    mutating func agree(
        to question: PolicyQuestion, leadingTo address: IPAddress?, by rule: PolicyRule, for thing: Thing?, _ stream: PeerStream?,
        end: PolicyEnd? = nil
    ) -> PolicyAnswer {
        let answer = self.decide(question, leadingTo: address, for: thing, stream, end: end)
        guard case .ask(let current) = answer.reason else { return answer }
        guard current.text == rule.text else {
            return PolicyAnswer(question: question, reason: .declined(current, "the rules have changed"))
        }
        if let thing { self.keep(thing, question, address, current, isAgreed: true, stream, end) }
        return PolicyAnswer(question: question, reason: .agreed(current))
    }

    private func decision(_ question: PolicyQuestion, _ address: IPAddress?) -> PolicyAnswer {
        self.policy.decide(question, leadingTo: address) { self.uses[$0, default: 0] }
    }

    private mutating func keep(
        _ thing: Thing, _ question: PolicyQuestion, _ address: IPAddress?, _ rule: PolicyRule?, isAgreed: Bool, _ stream: PeerStream?,
        _ end: PolicyEnd?
    ) {
        var weakStream: WeakStream?
        if case .stream(_, let protocolID) = thing {
            if self.grants.count >= self.sweepSize {
                _ = self.sweep()
                self.sweepSize = max(Self.leastSweep, 2 * self.grants.count)
            }
            weakStream = WeakStream(stream: stream, protocolID: protocolID)
        }
        self.last += 1
        self.grants[thing] = Grant(
            question: question, address: address, rule: rule, isAgreed: isAgreed, number: self.last, stream: weakStream, end: end)
        if let rule { self.uses[rule, default: 0] += 1 }
    }

    /// The thing is gone.
    mutating func release(_ thing: Thing) {
        guard let rule = self.grants.removeValue(forKey: thing)?.rule else { return }
        let count = self.uses[rule, default: 1] - 1
        self.uses[rule] = count > 0 ? count : nil
    }

    /// Forgets streams that are gone; says whether there were any.
    private mutating func sweep() -> Bool {
        let gone = self.grants.filter { $0.value.stream.map { $0.living == nil } ?? false }
        for thing in gone.keys { self.release(thing) }
        return !gone.isEmpty
    }

    // MARK: Withdrawing

    /// From now on other rules hold.
    mutating func replace(with policy: Policy, at time: Int64) -> Withdrawal {
        self.policy = policy
        return self.review(at: time)
    }

    /// Decides anew on everything that there is, the oldest first. What is granted no longer is forgotten, and returned to be closed.
    mutating func review(at time: Int64) -> Withdrawal {
        let grants = self.grants.sorted { $0.value.number < $1.value.number }
        var withdrawal = Withdrawal()
        self.grants = [:]
        self.uses = [:]
        for (thing, grant) in grants {
            let stream = grant.stream?.living
            if grant.stream != nil, stream == nil { continue }
            var question = grant.question
            question.asker.time = time
            let answer = self.decision(question, grant.address)
            var isKept = answer.isGranted
            // What the application agreed to stays for as long as the rule does that had it asked.
            if case .ask(let rule) = answer.reason { isKept = grant.isAgreed && grant.rule?.text == rule.text }
            if isKept {
                self.keep(thing, question, grant.address, answer.rule, isAgreed: grant.isAgreed, stream, grant.end)
                continue
            }
            switch thing {
            case .connection(let id): withdrawal.connections.append(id)
            case .listener(let address): withdrawal.listeners.append(address)
            case .stream: if let stream { withdrawal.streams.append(stream) }
            case .socket: if let end = grant.end { withdrawal.sockets.append((end, answer)) }
            }
        }
        return withdrawal
    }

    /// The first moment after `time` at which a rule ends by itself.
    func nextDeadline(after time: Int64) -> Int64? {
        self.policy.rules.lazy.compactMap(\.conditions.deadline).filter { $0 > time }.min()
    }
}
