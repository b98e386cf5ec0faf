public import P2PIdentity

/// What of its kind a rule is about.
public enum PolicyScope: Hashable, Sendable {
    /// Ports of hosts.
    case endpoints(PolicyHosts, PolicyPorts)
    /// Ports of hosts, by one of the two networks.
    case tunnels(PolicyNetwork, PolicyHosts, PolicyPorts)
    /// Protocols or methods.
    case names(PolicyNames)
    /// One peer, or all (nil), wherever it is.
    case peers(PeerID?)
    /// One peer, or all (nil), at ports of hosts.
    case peersAt(PeerID?, PolicyHosts, PolicyPorts)
}

/// How a tunnel's far end is spoken to.
public enum PolicyNetwork: String, Hashable, Sendable, CaseIterable {
    /// A stream of bytes.
    case tcp
    /// Datagrams.
    case udp
}
