import P2PHTTPHead
import P2PMultiaddr

/// Targets that are dialled around a proxy, as `NO_PROXY` names them. No name is resolved to find out.
///
/// Entries are separated by commas or spaces: a domain, which stands for the names below it as well; an IP address; a network, such
/// as `10.0.0.0/8`; each of them but a network perhaps with `:port`; or `*`. Dots before a domain and behind it mean nothing, and IPv6 addresses
/// may stand in brackets. What is none of these matches nothing.
public struct ProxyBypass: Sendable, Hashable {
    private enum Host: Hashable {
        case any
        case domain(String)
        case network([UInt8], prefix: Int)
    }

    private struct Entry: Hashable {
        let host: Host
        let port: UInt16?
    }

    private let entries: [Entry]

    /// Nothing goes around.
    public static let none = ProxyBypass("")

    /// Reads a list of entries.
    public init(_ list: String) {
        self.entries = list.split(whereSeparator: { $0 == "," || $0.isWhitespace }).compactMap { Self.entry($0) }
    }

    /// What the customary variable says, the lower-case name first.
    public static func inEnvironment(_ environment: [String: String]) -> ProxyBypass {
        ProxyBypass(Self.environmentNames.lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? "")
    }

    /// The customary variable.
    public static let environmentNames = ["no_proxy", "NO_PROXY"]

    private static func entry(_ text: Substring) -> Entry? {
        if text == "*" { return Entry(host: .any, port: nil) }
        if let network = Self.network(text) { return Entry(host: network, port: nil) }
        var (host, port) = (text, UInt16?.none)
        if let colon = text.lastIndex(of: ":"), text.first == "[" ? text[..<colon].last == "]" : text.firstIndex(of: ":") == colon {
            guard let number = HTTPHead.number(text[text.index(after: colon)...]).flatMap(UInt16.init(exactly:)) else { return nil }
            (host, port) = (text[..<colon], number)
        }
        if let network = Self.network(host) { return Entry(host: network, port: port) }
        if host.hasPrefix("*.") { host = host.dropFirst() }
        let name = Self.domain(host.drop { $0 == "." })
        guard !name.isEmpty, name.utf8.allSatisfy(ProxyTarget.isNameCharacter) else { return nil }
        return Entry(host: .domain(name), port: port)
    }

    /// A name as it is compared: a dot at its end says no more than that the name is whole.
    private static func domain(_ name: Substring) -> String {
        var name = name
        while name.last == "." { name.removeLast() }
        return name.lowercased()
    }

    /// An IP address, perhaps in brackets, or one with the length of a prefix.
    private static func network(_ text: Substring) -> Host? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard var digits = parts.first else { return nil }
        if digits.first == "[", digits.last == "]" { digits = digits.dropFirst().dropLast() }
        guard let address = IPAddress(String(digits)) else { return nil }
        let bits = address.bytes.count * 8
        guard parts.count > 1 else { return .network(address.bytes, prefix: bits) }
        guard let prefix = HTTPHead.number(parts[1]).flatMap(Int.init(exactly:)), (0...bits).contains(prefix) else { return nil }
        return .network(address.bytes, prefix: prefix)
    }

    /// Whether everything goes around, so that there is as good as no proxy.
    public var isEverything: Bool { self.entries.contains { $0.host == .any } }

    /// Whether what an address begins with, a host and its port, is dialled directly, be it over TCP or UDP.
    func contains(_ address: Multiaddr) -> Bool { ProxyTarget(hostOf: address).map { self.contains($0) } ?? false }

    /// Whether that target is dialled directly.
    func contains(_ target: ProxyTarget) -> Bool {
        self.entries.contains { entry in
            guard entry.port == nil || entry.port == target.port else { return false }
            switch (entry.host, target.host) {
            case (.any, _): return true
            case (.domain(let domain), .name(let name)):
                let name = Self.domain(name[...])
                return name == domain || name.hasSuffix(".\(domain)")
            case (.network(let bytes, let prefix), .ip(let ip)): return Self.matches(bytes, ip.bytes, prefix: prefix)
            case (.domain, .ip), (.network, .name): return false
            }
        }
    }

    /// Whether two addresses are of one family and have their first bits in common.
    private static func matches(_ left: [UInt8], _ right: [UInt8], prefix: Int) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).enumerated().allSatisfy { index, pair in
            let bits = min(8, max(0, prefix - index * 8))
            return (pair.0 ^ pair.1) >> (8 - bits) == 0
        }
    }
}
