public import P2PCore
public import P2PMultiaddr

/// Who may do what: rules, and an exact answer to each question. No clock, no I/O, no names looked up.
///
/// A refusal counts whatever else is granted, and the order of the rules does not matter. What no rule grants is refused, but kinds that are
/// ``PolicyKind/isOpen`` are granted until a rule allows something of them; services below `/x/` never are. A rule for a name grants
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

    /// Reads rules, one a line; `#` begins a comment.
    ///
    /// - Throws: ``PolicyError`` with the line and the column of the first mistake.
    public init(_ text: String) throws(PolicyError) {
        self.rules = try PolicyReader.rules(in: text)
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
        let rules = self.rules.filter { $0.kind == question.kind }
        let denials = rules.filter { $0.effect == .deny }
        if let rule = denials.first(where: { $0.covers(question) }) { return .denied(rule) }
        let target = address.map { PolicyTarget.address($0) }
        if let address, let rule = denials.first(where: { $0.covers(question, at: target) }) { return .leadsToDenied(address, rule) }

        let grants = rules.filter { $0.effect == .allow }
        if grants.isEmpty, !question.isNeverOpen { return .open }
        let covering = grants.filter { $0.covers(question) }
        guard let rule = covering.first(where: { rule in rule.conditions.maximum.map { uses(rule) < $0 } ?? true }) else {
            return covering.first.map { .full($0) } ?? .notGranted
        }
        if let address, PolicyAddressScope(PolicyAddressScope.effective(address, for: question.kind)) != .public,
            !grants.contains(where: { $0.covers(question, at: target) })
        {
            return .leadsToUngranted(address)
        }
        return .granted(rule)
    }

    /// Whether there is a peer for whom it would be granted: what can be said before it is known who comes.
    public func mightGrant(_ kind: PolicyKind, at target: PolicyTarget, port: UInt16, asker: PolicyAsker) -> Bool {
        let rules = self.rules.filter { $0.kind == kind }
        let anybody = PolicyQuestion(kind, .peerAt(nil, target, port), asker: asker)
        if rules.contains(where: { $0.effect == .deny && $0.covers(anybody) }) { return false }
        let grants = rules.filter { $0.effect == .allow }
        return grants.isEmpty ? kind.isOpen : grants.contains { $0.mightCover(anybody) }
    }
}

extension PolicyRule {
    /// Whether it would cover the question if the right peer asked.
    fileprivate func mightCover(_ question: PolicyQuestion) -> Bool {
        var question = question
        if let peer = self.conditions.peers.first { question.asker.peer = peer }
        guard case .peerAt(_, let target, let port) = question.subject else { return false }
        switch self.scope {
        case .peers(let peer), .peersAt(let peer, _, _):
            return self.covers(PolicyQuestion(question.kind, .peerAt(peer, target, port), asker: question.asker))
        case .endpoints, .tunnels, .names: return false
        }
    }
}
