import P2P
import P2PMultiaddr

extension Reachability {
    /// The event of a daemon whose reachability has changed.
    var object: JSONObject {
        ["event": "reachability", "state": .string(self.state.rawValue), "addresses": .array(self.addresses.map { .object($0.object) })]
    }

    /// The same in a line.
    var summary: String {
        let addresses = self.addresses.map { "\($0.address) (\($0.source), \($0.verdict.rawValue))" }
        return addresses.isEmpty
            ? "reachability: \(self.state.rawValue)" : "reachability: \(self.state.rawValue); \(addresses.joined(separator: ", "))"
    }

    /// All that `p2p reach` knows.
    var report: JSONObject {
        [
            "event": "reach", "state": .string(self.state.rawValue), "diagnosis": .string(self.diagnosis.kind.rawValue),
            "explanation": .text(self.diagnosis), "remedy": .string(self.remedy), "tcp": .string(self.diagnosis.tcp.rawValue),
            "udp": .string(self.diagnosis.udp.rawValue), "udp_blocked": .bool(self.diagnosis.isUDPBlocked),
            "ipv6_only": .bool(self.diagnosis.isIPv6Only), "addresses": .array(self.addresses.map { .object($0.report) }),
        ]
    }

    /// The same for people; with `explained`, what it means and what to do as well.
    func text(explained: Bool) -> String {
        var lines = ["\(self.state.rawValue) (\(self.diagnosis.kind.rawValue))"]
        if explained {
            lines.append("\(self.diagnosis)")
            if !self.remedy.isEmpty { lines.append("What to do: \(self.remedy)") }
        }
        for address in self.addresses { lines.append("  " + address.text(explained: explained)) }
        if self.addresses.isEmpty { lines.append("  no address of the internet's is known of this node") }
        return lines.joined(separator: "\n")
    }
}

extension AddressReport {
    /// The address in an event.
    var object: JSONObject {
        ["address": .text(self.address), "verdict": .string(self.verdict.rawValue), "source": .text(self.source)]
    }

    /// With what speaks for the verdict.
    var report: JSONObject {
        var object = self.object
        object.append("servers", .integer(self.servers))
        object.append("networks", .integer(self.networks))
        object.append("error", self.lastError.map { .string(PeerText($0).description) } ?? .null)
        return object
    }

    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    /// In a line.
    func text(explained: Bool) -> String {
        let line = "\(self.address)  \(self.verdict.rawValue)"
        guard explained else { return line }
        let source =
            switch self.source {
            case .listening: "listens there"
            case .mapped(let method): "mapped by the router (\(method))"
            case .observed(let count): "seen there by \(Self.count(count, "peer"))"
            case .assumed: "assumed: the address that peers see, with the port of this node"
            case .relayed: "lent by a relay"
            }
        let tried =
            self.servers > 0 ? "; tried by \(Self.count(self.servers, "peer")) in \(Self.count(self.networks, "network"))" : ""
        return line + "  (\(source)\(tried)\(self.lastError.map { "; \(PeerText($0))" } ?? ""))"
    }
}
