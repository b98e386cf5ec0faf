/// One line of a policy.
public struct PolicyRule: Hashable, Sendable {
    /// Whether it grants, refuses or has somebody asked.
    public enum Effect: String, Hashable, Sendable, CaseIterable {
        /// It grants, unless another rule refuses.
        case allow
        /// It refuses, whatever other rules grant.
        case deny
        /// The application is asked, unless another rule grants or refuses.
        case ask
    }

    /// Whether it grants, refuses or has somebody asked.
    public let effect: Effect
    /// What it is about.
    public let kind: PolicyKind
    /// What of that.
    public let scope: PolicyScope
    /// When it holds.
    public let conditions: PolicyConditions
    /// Where it stands, from 1.
    public let line: Int
    /// The rule as it was written, with one space between its parts.
    public let text: String

    /// Whether it is about what is asked, and holds for who asks.
    ///
    /// - Parameter target: stands in the place of the question's own host, which led there.
    func covers(_ question: PolicyQuestion, at target: PolicyTarget? = nil) -> Bool {
        guard self.kind == question.kind, self.conditions.hold(for: question.asker) else { return false }
        switch (self.scope, question.subject) {
        case (.endpoints(let hosts, let ports), .endpoint(let asked, let port)):
            return self.includes(target ?? asked, port, hosts, ports)
        case (.tunnels(let network, let hosts, let ports), .tunnel(let other, let asked, let port)):
            return network == other && self.includes(target ?? asked, port, hosts, ports)
        case (.names(let names), .name(let name)):
            return names.contain(name)
        case (.peers(let peer), .peer(let asked)), (.peers(let peer), .peerAt(let asked, _, _)):
            return peer == nil || peer == asked
        case (.peersAt(let peer, let hosts, let ports), .peerAt(let asked, let host, let port)):
            return (peer == nil || peer == asked) && self.includes(target ?? host, port, hosts, ports)
        default:
            return false
        }
    }

    private func includes(_ target: PolicyTarget, _ port: UInt16, _ hosts: PolicyHosts, _ ports: PolicyPorts) -> Bool {
        guard ports.contain(port) else { return false }
        switch target {
        case .name(let name): return hosts.contain(name: name)
        case .address(let address): return hosts.contain(address, for: self.kind)
        }
    }
}
