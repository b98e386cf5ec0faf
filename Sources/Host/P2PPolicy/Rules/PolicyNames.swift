/// The protocols, or methods, that a rule is about.
public enum PolicyNames: Hashable, Sendable {
    /// One of that name.
    case exactly(String)
    /// All whose names begin so (`/x/*`).
    case prefixed(String)

    /// Whether a name is one of them.
    func contain(_ name: String) -> Bool {
        switch self {
        case .exactly(let own): name == own
        case .prefixed(let prefix): name.hasPrefix(prefix)
        }
    }
}

extension PolicyNames: CustomStringConvertible {
    /// As a rule says it.
    public var description: String {
        switch self {
        case .exactly(let name): name
        case .prefixed(let prefix): prefix + "*"
        }
    }
}
