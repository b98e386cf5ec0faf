public import P2PMultiaddr

/// Whether something may be done, and why.
public struct PolicyAnswer: Hashable, Sendable {
    /// What decided.
    public enum Reason: Hashable, Sendable {
        /// That rule grants it.
        case granted(PolicyRule)
        /// No rule grants anything of its kind, so everything of it is granted.
        case open
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
        case .granted, .open: true
        case .notGranted, .full, .denied, .leadsToUngranted, .leadsToDenied: false
        }
    }

    /// The rule that decided, if one did.
    public var rule: PolicyRule? {
        switch self.reason {
        case .granted(let rule), .full(let rule), .denied(let rule), .leadsToDenied(_, let rule): rule
        case .open, .notGranted, .leadsToUngranted: nil
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
