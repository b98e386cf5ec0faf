public import P2PMultiaddr

/// The hosts that a rule is about.
public enum PolicyHosts: Hashable, Sendable {
    /// Every host (`*`); as the target of a tunnel not this machine, nor its links.
    case any
    /// One name.
    case name(String)
    /// The names below a name (`*.example.com`), and not that name.
    case below(String)
    /// The addresses of a range, or one address.
    case network(IPNetwork)
    /// The addresses of a kind (`loopback`, `private`, `link-local`, `public`).
    case scope(PolicyAddressScope)

    /// Whether a name is one of them.
    func contain(name: String) -> Bool {
        switch self {
        case .any: true
        case .name(let own): name == own
        case .below(let parent): name.hasSuffix("." + parent)
        case .network, .scope: false
        }
    }

    /// Whether an address is one of them, for somebody who does what `kind` says.
    func contain(_ address: IPAddress, for kind: PolicyKind) -> Bool {
        let address = PolicyAddressScope.effective(address, for: kind)
        switch self {
        case .any:
            guard kind == .tunnelConnect else { return true }
            let scope = PolicyAddressScope(address)
            return scope != .loopback && scope != .linkLocal && scope != .unspecified
        case .name, .below: return false
        case .network(let network): return network.contains(address)
        case .scope(let scope): return scope == PolicyAddressScope(address)
        }
    }
}

extension PolicyHosts: CustomStringConvertible {
    /// As a rule says it, with IPv6 in brackets.
    public var description: String {
        switch self {
        case .any: "*"
        case .name(let name): name
        case .below(let name): "*." + name
        case .network(let network): network.address.isIPv6 ? "[\(network)]" : "\(network)"
        case .scope(let scope): scope.rawValue
        }
    }
}
