public import P2PMultiaddr

/// A host that somebody asks for: a name, before it was looked up, or an address.
public enum PolicyTarget: Hashable, Sendable {
    /// A name in lower case, in ASCII, without a dot at its end.
    case name(String)
    /// An address. An IPv4-mapped one is the IPv4 address inside it.
    case address(IPAddress)
}

extension PolicyTarget: LosslessStringConvertible {
    /// Reads an address, in brackets if it is IPv6, or a name, whose case and final dot do not matter.
    ///
    /// Nil for what some systems take for an address and others for a name (`2130706433`, `0177.0.0.1`, `0x7f.1`), and for names that
    /// are not ASCII: their form for machines (`xn--…`) says which is meant.
    public init?(_ description: String) {
        if description.hasPrefix("["), description.hasSuffix("]") {
            guard let address = IPAddress(String(description.dropFirst().dropLast())), address.isIPv6 else { return nil }
            self = .address(address.unmapped)
        } else if let address = IPAddress(description), address.isIPv4 {
            self = .address(address)
        } else {
            guard let name = Self.canonical(description) else { return nil }
            self = .name(name)
        }
    }

    /// The address, with IPv6 in brackets, or the name.
    public var description: String {
        switch self {
        case .name(let name): name
        case .address(let address): address.isIPv6 ? "[\(address)]" : "\(address)"
        }
    }

    /// A name as rules and questions have it; nil when it is none (RFC 1123, section 2.1, and `_`).
    static func canonical(_ text: some StringProtocol) -> String? {
        let name = text.hasSuffix(".") ? String(text.dropLast()).lowercased() : text.lowercased()
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard name.utf8.count <= 253, labels.allSatisfy({ Self.isLabel($0) }), let last = labels.last, !Self.isNumber(last) else {
            return nil
        }
        return name
    }

    private static func isLabel(_ label: Substring) -> Bool {
        guard (1...63).contains(label.utf8.count), !label.hasPrefix("-"), !label.hasSuffix("-") else { return false }
        return label.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x5f }
    }

    /// Whether systems might read a name that ends so as an address: in decimal, in octal, or in hexadecimal.
    private static func isNumber(_ label: Substring) -> Bool {
        if label.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { return true }
        return label.hasPrefix("0x") && label.dropFirst(2).allSatisfy(\.isHexDigit)
    }
}
