/// What a gater says: yes, or no, and perhaps why.
public enum GateAnswer: Hashable, Sendable {
    /// It may be done.
    case granted
    /// It may not, and why, for this node's own people: errors and logs say it, the peer is told a code and nothing else.
    case refused(String?)

    /// An answer without a reason.
    public init(_ isGranted: Bool) { self = isGranted ? .granted : .refused(nil) }

    /// Whether it may be done.
    public var isGranted: Bool { self == .granted }

    /// Why not, or else those words; nil where it may be done.
    package func refusal(_ words: @autoclosure () -> String) -> String? {
        switch self {
        case .granted: nil
        case .refused(let reason): reason ?? words()
        }
    }
}

extension GateAnswer: ExpressibleByBooleanLiteral {
    /// `true` is ``granted``; `false` refuses without a reason.
    public init(booleanLiteral isGranted: Bool) { self.init(isGranted) }
}
