import P2PMultiaddr

/// What to do about a diagnosis, for somebody who knows nothing of routers.
enum Remedy {
    static func text(for diagnosis: Diagnosis, _ facts: ReachabilityFacts) -> String {
        var sentences = self.sentences(for: diagnosis.kind, facts)
        if diagnosis.isUDPBlocked {
            let hasTCP = facts.listening.contains { $0.tcpEndpoint != nil && !$0.isLoopback && !$0.isRelayed }
            sentences.append(
                """
                This network lets no UDP out, so QUIC does not work here: \(hasTCP ? "peers are met over TCP alone" : "listen on TCP as well"), \
                until whoever runs the network allows UDP.
                """)
        }
        if diagnosis.isIPv6Only {
            sentences.append("Peers that have only IPv4 don't reach this node: for them it needs a relay.")
        }
        return sentences.joined(separator: " ")
    }

    private static func sentences(for kind: Diagnosis.Kind, _ facts: ReachabilityFacts) -> [String] {
        let ports = self.ports(facts)
        switch kind {
        case .open, .mapped: return []
        case .firewall:
            return ["Allow incoming \(ports) in the firewall of this machine, or of its network."]
        case .coneNAT, .symmetricNAT, .nat:
            var sentences = [self.forward(ports, facts)]
            if kind == .symmetricNAT {
                sentences.append(
                    "Until then peers reach it through a relay only: hole punching fails with most peers behind a router like this one.")
            } else {
                sentences.append("Until then peers reach it through a relay, from which most get a direct connection by hole punching.")
            }
            return sentences
        case .doubleNAT:
            return [
                """
                There is a second router behind the first one, often the provider's, which shares one address among its customers: ask the \
                provider for an address of your own, use IPv6, or use a relay. If both routers are yours, have the outer one forward to the inner.
                """
            ]
        case .notListening:
            return ["This node listens on its own machine only: add an address such as --listen /ip4/0.0.0.0/tcp/4001."]
        case .unknown:
            return facts.servers == 0
                ? ["Nobody has been asked yet who could tell: connect to some peers that serve AutoNAT (--bootstrap)."] : []
        }
    }

    private static func forward(_ ports: String, _ facts: ReachabilityFacts) -> String {
        let target = facts.router?.localAddress ?? facts.listening.lazy.compactMap(\.ipAddress).first { $0.isIPv4 && $0.isPrivate }
        let to = target.map { " to \($0)" } ?? " to this machine"
        guard let router = facts.router else {
            return "Let the router map the ports (--port-mapping), or have it forward \(ports)\(to)."
        }
        return "Switch on UPnP or NAT-PMP in the router (\(router.gateway)), or have it forward \(ports)\(to)."
    }

    /// Such as `TCP 4001 and UDP 4001`.
    private static func ports(_ facts: ReachabilityFacts) -> String {
        var ports: [String] = []
        for address in facts.listening where !address.isLoopback && !address.isRelayed {
            let text = address.tcpEndpoint.map { "TCP \($0.port)" } ?? address.udpEndpoint.map { "UDP \($0.port)" }
            if let text, !ports.contains(text) { ports.append(text) }
        }
        guard let last = ports.last else { return "the ports of this node" }
        return ports.count == 1 ? last : ports.dropLast().joined(separator: ", ") + " and " + last
    }
}
