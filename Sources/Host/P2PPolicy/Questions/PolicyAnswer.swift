public import P2PMultiaddr

/// Whether something may be done, and why.
public struct PolicyAnswer: Hashable, Sendable {
    /// What decided.
    public enum Reason: Hashable, Sendable {
        /// That rule grants it.
        case granted(PolicyRule)
        /// No rule grants anything of its kind, so everything of it is granted.
        case open
        /// No rule grants or refuses it, and that rule has the application asked.
        case ask(PolicyRule)
        /// The application was asked because of that rule, and agreed.
        case agreed(PolicyRule)
        /// The application was to be asked because of that rule, and did not agree, for the reason that is said.
        case declined(PolicyRule, String)
        /// The host is neither an address in its usual form nor a name in ASCII, and systems differ on what it leads to.
        case notAHost(String)
        /// No rule grants it.
        case notGranted
        /// That rule grants it, but as many as it allows are there.
        case full(PolicyRule)
        /// That rule refuses it.
        case denied(PolicyRule)
        /// Its name may be used, but no rule grants the address to which it leads.
        case leadsToUngranted(IPAddress)
        /// Its name may be used, but that rule refuses the address to which it leads.
        case leadsToDenied(IPAddress, PolicyRule)
    }

    /// What was asked.
    public let question: PolicyQuestion
    /// What decided.
    public let reason: Reason

    /// Whether it may be done.
    public var isGranted: Bool {
        switch self.reason {
        case .granted, .open, .agreed: true
        case .ask, .declined, .notAHost, .notGranted, .full, .denied, .leadsToUngranted, .leadsToDenied: false
        }
    }

    /// Whether the application is to be asked; not granted until it agrees.
    public var asks: Bool { if case .ask = self.reason { true } else { false } }

    /// The rule that decided, if one did.
    public var rule: PolicyRule? {
        switch self.reason {
        case .granted(let rule), .full(let rule), .denied(let rule), .leadsToDenied(_, let rule), .ask(let rule), .agreed(let rule),
            .declined(let rule, _):
            rule
        case .open, .notAHost, .notGranted, .leadsToUngranted: nil
        }
    }
}

extension PolicyAnswer: CustomStringConvertible {
    /// The whole answer, for this node's own people. A peer is told ``refusal`` and nothing more.
    public var description: String {
        let asked = "\(self.question)"
        switch self.reason {
        case .granted(let rule): return "granted: \(asked) is allowed by \(Self.quoted(rule))"
        case .open: return "granted: \(asked), since no rule allows anything of \(self.question.kind.rawValue) in particular"
        case .ask(let rule): return "undecided: whether \(asked) is granted\(self.suffix) is asked, by \(Self.quoted(rule))"
        case .agreed(let rule): return "granted: \(asked) was agreed to when asked, by \(Self.quoted(rule))"
        case .declined(let rule, let why):
            return "\(Self.refusal): \(asked) is not granted\(self.suffix): \(why), by \(Self.quoted(rule))"
        case .notAHost(let host):
            return
                "\(Self.refusal): \(asked) is not granted\(self.suffix): \(host) is neither an address in its usual form nor a name in ASCII"
        case .notGranted: return "\(Self.refusal): \(asked) is not granted\(self.suffix)"
        case .full(let rule):
            return
                "\(Self.refusal): \(asked) is not granted\(self.suffix) more than \(rule.conditions.maximum ?? 0) times at once by \(Self.quoted(rule))"
        case .denied(let rule): return "\(Self.refusal): \(asked) is denied by \(Self.quoted(rule))"
        case .leadsToUngranted(let address): return "\(Self.refusal): \(asked) leads to \(address), which is not granted\(self.suffix)"
        case .leadsToDenied(let address, let rule):
            return "\(Self.refusal): \(asked) leads to \(address), which is denied by \(Self.quoted(rule))"
        }
    }

    /// What a peer is told.
    public static let refusal = "permission denied"

    private var suffix: String {
        let asker = "\(self.question.asker)"
        return asker.isEmpty ? "" : " to \(asker)"
    }

    private static func quoted(_ rule: PolicyRule) -> String { "\"\(rule.text)\" (policy line \(rule.line))" }
}
