/// The ports that a rule is about.
public enum PolicyPorts: Hashable, Sendable {
    /// Every port, and also port 0, which leaves the choice to the system.
    case any
    /// Ranges of ports, each from 1 on.
    case ranges([ClosedRange<UInt16>])

    /// Whether a port is one of them.
    func contain(_ port: UInt16) -> Bool {
        switch self {
        case .any: true
        case .ranges(let ranges): ranges.contains { $0.contains(port) }
        }
    }
}

extension PolicyPorts: CustomStringConvertible {
    /// As a rule says it.
    public var description: String {
        switch self {
        case .any: "*"
        case .ranges(let ranges):
            ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
        }
    }
}
