public import P2PIdentity

/// What somebody wants to do: one thing, without wildcards.
public struct PolicyQuestion: Hashable, Sendable {
    /// What it is done to.
    public enum Subject: Hashable, Sendable {
        /// A port of a host, or of this machine.
        case endpoint(PolicyTarget, UInt16)
        /// A port of a host that a peer names.
        case tunnel(PolicyNetwork, PolicyTarget, UInt16)
        /// A protocol or a method.
        case name(String)
        /// A peer, wherever it is; nil for one that is not known.
        case peer(PeerID?)
        /// A peer at a port of a host; nil for one that is not known.
        case peerAt(PeerID?, PolicyTarget, UInt16)
    }

    /// What is to be done.
    public let kind: PolicyKind
    /// To what.
    public let subject: Subject
    /// For whom.
    public var asker: PolicyAsker

    /// - Parameters:
    ///   - kind: what is to be done.
    ///   - subject: to what; one that does not go with the kind is granted by no rule.
    ///   - asker: for whom.
    public init(_ kind: PolicyKind, _ subject: Subject, asker: PolicyAsker) {
        self.kind = kind
        self.subject = subject
        self.asker = asker
    }

    /// Whether a rule has to name it, though others of its kind are open: tunnels lead to programs that never meant to be reached.
    var isNeverOpen: Bool {
        if self.kind == .service, case .name(let name) = self.subject { name.hasPrefix(Self.tunnelPrefix) } else { !self.kind.isOpen }
    }

    /// The names of tunnelled services begin so.
    static let tunnelPrefix = "/x/"
}

extension PolicyQuestion: CustomStringConvertible {
    /// What is to be done, as a rule would say it.
    public var description: String { "\(self.kind.rawValue):\(self.subject)" }
}

extension PolicyQuestion.Subject: CustomStringConvertible {
    /// What it is, as a rule would say it.
    public var description: String {
        switch self {
        case .endpoint(let target, let port): "\(target):\(port)"
        case .tunnel(let network, let target, let port): "\(network.rawValue)/\(target):\(port)"
        case .name(let name): name
        case .peer(let peer): peer.map { "\($0)" } ?? "*"
        case .peerAt(let peer, let target, let port): (peer.map { "\($0)" } ?? "*") + "@\(target):\(port)"
        }
    }
}

extension PolicyAsker: CustomStringConvertible {
    /// The program, or else the peer, as a refusal names it; empty for neither.
    public var description: String {
        if let app { return "app \(app)" }
        return self.peer.map { "\($0)" } ?? ""
    }
}
