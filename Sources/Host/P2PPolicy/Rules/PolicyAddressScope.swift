public import P2PMultiaddr

/// What kind of address it is, as far as rules tell them apart.
public enum PolicyAddressScope: String, Hashable, Sendable {
    /// This machine: 127.0.0.0/8, ::1.
    case loopback
    /// A private network: RFC 1918, 100.64.0.0/10, fc00::/7. Also what wraps an address that is not public, and 0.0.0.0/8.
    case `private`
    /// One link: 169.254.0.0/16, fe80::/10.
    case linkLocal = "link-local"
    /// A group; no rule names these by a word.
    case multicast
    /// Every interface: 0.0.0.0, ::. No rule names these by a word.
    case unspecified
    /// None of the others.
    case `public`

    /// The kind of an address. An IPv4-mapped one is the IPv4 address inside it.
    public init(_ address: IPAddress) {
        if address.isLoopback {
            self = .loopback
        } else if address.isUnspecified {
            self = .unspecified
        } else if address.isLinkLocal {
            self = .linkLocal
        } else if address.isMulticast {
            self = .multicast
        } else if address.isPrivate || address.reach == .nowhere {
            self = .private
        } else {
            self = .public
        }
    }

    /// The address that is reached: systems connect to themselves when they are told to connect to 0.0.0.0 or ::.
    static func effective(_ address: IPAddress, for kind: PolicyKind) -> IPAddress {
        let address = address.unmapped
        guard kind.connects, address.isUnspecified else { return address }
        return address.isIPv4 ? .loopbackV4 : .loopbackV6
    }

    /// Those that a rule may name.
    static let words: [PolicyAddressScope] = [.loopback, .private, .linkLocal, .public]
}
