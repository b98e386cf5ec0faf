extension Diagnosis: CustomStringConvertible {
    /// The diagnosis in a sentence or two, for somebody who knows nothing of routers.
    public var description: String {
        var sentences = [self.sentence]
        if self.isUDPBlocked { sentences.append("UDP does not get through: QUIC never worked, though TCP did.") }
        if self.isIPv6Only { sentences.append("It is reached over IPv6 only.") }
        return sentences.joined(separator: " ")
    }

    private var sentence: String {
        switch self.kind {
        case .open: "Peers on the internet reach this node."
        case .mapped: "Peers on the internet reach this node at ports that its router has opened for it."
        case .firewall: "This machine has a public address, but a firewall keeps out what it has not asked for."
        case .coneNAT:
            """
            A router stands between this node and the internet. It keeps out what the node has not asked for, and is of the kind with which \
            hole punching works.
            """
        case .symmetricNAT:
            """
            A router stands between this node and the internet. It keeps out what the node has not asked for, and gives it another port for \
            each peer.
            """
        case .nat: "A router stands between this node and the internet, and keeps out what the node has not asked for."
        case .doubleNAT: "Two routers stand between this node and the internet, one behind the other."
        case .notListening: "This node listens on its own machine only, so nobody else can reach it."
        case .unknown: "It is not known yet whether peers on the internet reach this node."
        }
    }
}
