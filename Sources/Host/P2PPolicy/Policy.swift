public import P2PCore
public import P2PMultiaddr

/// Who may do what: rules, and an exact answer to each question. No clock, no I/O, no names looked up.
///
/// A refusal counts whatever else is granted, and the order of the rules does not matter. What no rule grants is refused, but kinds that are
/// ``PolicyKind/isOpen`` are granted until a rule allows something of them, or has it asked about; services below `/x/` never are. A rule for a name grants
/// the name; each address to which it leads is asked for with ``decide(_:leadingTo:using:)`` before it is dialled, so that names that change
/// their mind gain nothing.
///
/// ```
/// allow tcp-connect:*.example.com:443
/// allow peer-accept:*@[2001:db8::/32]:*
/// allow service:/x/ssh peer=12D3KooW… until=2027-01-01T00:00:00Z max=4
/// deny  tunnel-connect:tcp/169.254.169.254:*
/// ```
public struct Policy: Hashable, Sendable {
    /// The most rules that a policy has.
    public static let maximumRules = 4_096
    /// The longest text that is read, in bytes.
    public static let maximumTextBytes = 1_048_576

    /// The rules, in the order of their lines.
    public let rules: [PolicyRule]
    /// The same, as they are asked.
    private let byKind: [PolicyKind: Rules]

    private struct Rules: Hashable {
        var denials: [PolicyRule] = []
        var grants: [PolicyRule] = []
        var asks: [PolicyRule] = []
    }

    /// Reads rules, one a line; `#` begins a comment.
    ///
    /// - Throws: ``PolicyError`` with the line and the column of the first mistake.
    public init(_ text: String) throws(PolicyError) {
        self.rules = try PolicyReader.rules(in: text)
        self.byKind = self.rules.reduce(into: [:]) { kinds, rule in
            switch rule.effect {
            case .allow: kinds[rule.kind, default: Rules()].grants.append(rule)
            case .deny: kinds[rule.kind, default: Rules()].denials.append(rule)
            case .ask: kinds[rule.kind, default: Rules()].asks.append(rule)
            }
        }
    }

    /// Whether something may be done, as far as the question itself says.
    ///
    /// - Parameters:
    ///   - question: what is to be done, by its name where it has one.
    ///   - address: where that name leads; asked once for each address, before it is dialled. Nil before that is known.
    ///   - uses: how many things a rule has granted that are still there; asked only of rules with a maximum.
    public func decide(_ question: PolicyQuestion, leadingTo address: IPAddress? = nil, using uses: (PolicyRule) -> Int = { _ in 0 })
        -> PolicyAnswer
    {
        PolicyAnswer(question: question, reason: self.reason(question, leadingTo: address, uses))
    }

    private func reason(_ question: PolicyQuestion, leadingTo address: IPAddress?, _ uses: (PolicyRule) -> Int) -> PolicyAnswer.Reason {
        if let denial = self.denial(of: question, leadingTo: address) { return denial }
        let rules = self.byKind[question.kind] ?? Rules()
        if rules.grants.isEmpty, rules.asks.isEmpty, !question.isNeverOpen { return .open }
        var full: PolicyRule?
        for rule in rules.grants + rules.asks where rule.covers(question) {
            if let maximum = rule.conditions.maximum, uses(rule) >= maximum {
                full = full ?? rule
                continue
            }
            return self.reason(question, leadingTo: address, coveredBy: rule, rules)
        }
        return full.map { .full($0) } ?? .notGranted
    }

    /// What is said of a question that a rule covers by its name: an address that is not public needs a rule of its own.
    private func reason(
        _ question: PolicyQuestion, leadingTo address: IPAddress?, coveredBy rule: PolicyRule, _ rules: Rules
    ) -> PolicyAnswer.Reason {
        let plain: PolicyAnswer.Reason = rule.effect == .ask ? .ask(rule) : .granted(rule)
        guard let address, PolicyAddressScope(PolicyAddressScope.effective(address, for: question.kind)) != .public else { return plain }
        let target = PolicyTarget.address(address)
        if rules.grants.contains(where: { $0.covers(question, at: target) }) { return plain }
        return rules.asks.first { $0.covers(question, at: target) }.map { .ask($0) } ?? .leadsToUngranted(address)
    }

    /// What refuses something, whatever is granted; nil if nothing does.
    private func denial(of question: PolicyQuestion, leadingTo address: IPAddress?) -> PolicyAnswer.Reason? {
        guard let denials = self.byKind[question.kind]?.denials, !denials.isEmpty else { return nil }
        if let rule = denials.first(where: { $0.covers(question) }) { return .denied(rule) }
        guard let address else { return nil }
        return denials.first { $0.covers(question, at: .address(address)) }.map { .leadsToDenied(address, $0) }
    }

    /// The refusal by a rule that denies it, if there is one. What is done in the course of something else that is granted, such as the socket
    /// of a dial, needs no grant of its own, but a denial counts.
    public func refusal(of question: PolicyQuestion, leadingTo address: IPAddress? = nil) -> PolicyAnswer? {
        self.denial(of: question, leadingTo: address).map { PolicyAnswer(question: question, reason: $0) }
    }

    /// What can be said before all is known: whether there is a peer for whom it would be granted, or asked about, or a place.
    ///
    /// - Parameter question: about a peer, which may be nil, perhaps at some place.
    func decideBeforehand(_ question: PolicyQuestion) -> PolicyAnswer {
        let rules = self.byKind[question.kind] ?? Rules()
        let reason: PolicyAnswer.Reason =
            if let rule = rules.denials.first(where: { $0.covers(question) }) {
                .denied(rule)
            } else if rules.grants.isEmpty, rules.asks.isEmpty {
                question.isNeverOpen ? .notGranted : .open
            } else {
                (rules.grants + rules.asks).first { $0.mightCover(question) }.map { .granted($0) } ?? .notGranted
            }
        return PolicyAnswer(question: question, reason: reason)
    }
}

extension PolicyRule {
    /// Whether it would cover the question if the right peer asked, at the right place.
    fileprivate func mightCover(_ question: PolicyQuestion) -> Bool {
        var question = question
        if question.asker.peer == nil { question.asker.peer = self.conditions.peers.first }
        switch (self.scope, question.subject) {
        case (.peers(let peer), .peerAt(let asked, let target, let port)),
            (.peersAt(let peer, _, _), .peerAt(let asked, let target, let port)):
            return self.covers(PolicyQuestion(question.kind, .peerAt(asked ?? peer, target, port), asker: question.asker))
        case (.peers(let peer), .peer(let asked)), (.peersAt(let peer, _, _), .peer(let asked)):
            return (peer == nil || asked == nil || peer == asked) && self.conditions.hold(for: question.asker)
        default: return false
        }
    }
}
