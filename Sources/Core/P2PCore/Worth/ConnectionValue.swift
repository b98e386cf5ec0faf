/// What a connection is worth to its host at a moment, with the reasons. The least valuable go first when there are too many.
public struct ConnectionValue: Sendable, Hashable, CustomStringConvertible {
    /// A part of the value.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        /// Why: one of ``ConnectionValue``'s own, or the name of a tag, with `tag:` before it.
        public let name: String
        /// What that is worth; less than nothing for what speaks against the connection.
        public let points: Int

        /// A part of a value.
        public init(_ name: String, _ points: Int) {
            self.name = name
            self.points = points
        }

        /// The name and the points.
        public var description: String { "\(self.name) \(self.points > 0 ? "+" : "")\(self.points)" }
    }

    /// Why a connection is not closed to make room, whatever it is worth.
    public enum Hold: Sendable, Hashable, CustomStringConvertible {
        /// Somebody protects its peer (``PeerValuing/protect(_:for:)``): by these names, in their order.
        case protected(for: [String])
        /// Its peer, or the network from which it comes, is on the list of those that are allowed.
        case allowed
        /// It was opened within the last seconds.
        case young
        /// Something has moved on one of its streams within the last half minute.
        case busy
        /// It is being closed anyway.
        case leaving

        /// In a few words.
        public var description: String {
            switch self {
            case .protected(let names): "protected (\(names.joined(separator: ", ")))"
            case .allowed: "allowed"
            case .young: "young"
            case .busy: "busy"
            case .leaving: "leaving"
            }
        }
    }

    /// The parts, in the order in which they were found; none of them is 0.
    public let reasons: [Reason]
    /// Why it stays whatever it is worth; nil for one that may have to go.
    public let hold: Hold?

    /// A value of these parts.
    public init(reasons: [Reason], hold: Hold? = nil) {
        self.reasons = reasons.filter { $0.points != 0 }
        self.hold = hold
    }

    /// The sum of the parts.
    public var points: Int { self.reasons.reduce(0) { $0 + $1.points } }

    /// The value with its reasons, for people.
    public var description: String {
        let parts = self.reasons.map(\.description).joined(separator: ", ")
        return "\(self.points)\(parts.isEmpty ? "" : " (\(parts))")\(self.hold.map { ", \($0)" } ?? "")"
    }
}
