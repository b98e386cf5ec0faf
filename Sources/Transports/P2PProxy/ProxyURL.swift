public import P2PCore
import P2PHTTPHead
public import P2PMultiaddr
import P2PWebTLS

/// A proxy, as `--proxy` and the environment name it, and as curl reads it: `http://[user:password@]host[:port]`, `https://…` or `socks5://…`.
///
/// Without a scheme it is `http://`. What stands behind the host and its port is passed over. `socks5h` is the same as `socks5` here: names are
/// always left to the proxy.
public struct ProxyURL: Sendable, Hashable, CustomStringConvertible {
    /// How the proxy is spoken to.
    public enum Kind: String, Sendable {
        /// HTTP CONNECT (RFC 9110, section 9.3.6).
        case http
        /// The same within TLS to the proxy, whose certificate is checked.
        case https
        /// SOCKS version 5 (RFC 1928).
        case socks5

        var customaryPort: UInt16 {
            switch self {
            case .http: 8_080
            case .https: 443
            case .socks5: 1_080
            }
        }
    }

    /// Who we are to the proxy.
    public struct Credentials: Sendable, Hashable {
        let user: String
        let password: String
    }

    /// How the proxy is spoken to.
    public let kind: Kind
    /// Where it is: `/ip4`, `/ip6` or `/dns`, and `/tcp`.
    public let address: Multiaddr
    let credentials: Credentials?

    /// Reads a URL, with white space around it.
    ///
    /// - Throws: ``TransportError/Code/invalidAddress``; the message does not repeat a password.
    public init(_ text: String) throws(TransportError) {
        var rest = text[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        (self.kind, rest) = try Self.scheme(rest)
        // Whatever follows the authority (RFC 3986, section 3.2) means nothing to a proxy.
        rest = rest.prefix { !"/?#".contains($0) }
        var credentials: Credentials?
        if let at = rest.lastIndex(of: "@") {
            credentials = try Self.credentials(rest[..<at], for: self.kind)
            rest = rest[rest.index(after: at)...]
        }
        self.credentials = credentials
        self.address = try Self.address(rest, customaryPort: self.kind.customaryPort)
    }

    private static func scheme(_ text: Substring) throws(TransportError) -> (Kind, Substring) {
        guard let separator = text.firstRange(of: "://") else { return (.http, text) }
        let rest = text[separator.upperBound...]
        switch text[..<separator.lowerBound].lowercased() {
        case "http": return (.http, rest)
        case "https": return (.https, rest)
        case "socks5", "socks5h", "socks": return (.socks5, rest)
        default: throw Self.invalid("the scheme is not one of http, https, socks5 and socks5h")
        }
    }

    /// Who has to be there, where the proxy shows a certificate.
    var identity: ServerIdentity? {
        switch self.address.tcpEndpoint?.host {
        case .ip(let ip, _)?: .address(ip)
        case .name(let name, _)?: .name(name)
        case nil: nil
        }
    }

    /// Without the credentials.
    public var description: String { "\(self.kind.rawValue) proxy at \(self.address)" }

    /// Nil for an empty part before the `@`.
    private static func credentials(_ text: Substring, for kind: Kind) throws(TransportError) -> Credentials? {
        guard !text.isEmpty else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let user = Self.unescaped(parts[0]), let password = parts.count > 1 ? Self.unescaped(parts[1]) : "" else {
            throw Self.invalid("the user or the password is not UTF-8")
        }
        switch kind {
        case .socks5:
            guard user.utf8.count <= 255, password.utf8.count <= 255 else {
                throw Self.invalid("user and password have at most 255 bytes each (RFC 1929)")
            }
        case .http, .https:
            guard !user.contains(":") else { throw Self.invalid("a user of HTTP has no colon (RFC 7617)") }
            guard user.utf8.count + password.utf8.count <= Self.longestBasic else { throw Self.invalid("user and password are too long") }
        }
        return Credentials(user: user, password: password)
    }

    /// Far more than any server takes in a field of a head, in bytes.
    private static let longestBasic = 4_096

    private static func address(_ text: Substring, customaryPort: UInt16) throws(TransportError) -> Multiaddr {
        var host = text
        var port = customaryPort
        if let colon = text.lastIndex(of: ":"), text[colon...].firstIndex(of: "]") == nil,
            text.first == "[" || text.firstIndex(of: ":") == colon
        {
            let digits = text[text.index(after: colon)...]
            host = text[..<colon]
            if !digits.isEmpty {
                guard let number = HTTPHead.number(digits).flatMap(UInt16.init(exactly:)), number > 0 else {
                    throw Self.invalid("the port is not a number from 1 to 65535")
                }
                port = number
            }
        }
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { throw Self.invalid("there is no host") }
        for form in Self.forms(of: host) {
            if let address = try? Multiaddr("\(form)/tcp/\(port)") { return address }
        }
        throw Self.invalid("the host is not a name or an IP address")
    }

    /// The host as addresses write it, the first that makes sense counts.
    private static func forms(of host: Substring) -> [String] {
        if host.utf8.allSatisfy(ProxyTarget.isNameCharacter) { return ["/ip4/\(host)", "/dns/\(host)"] }
        // An interface behind the address (RFC 6874), whose % is written as %25, or as it is.
        let parts = host.split(separator: "%", maxSplits: 1)
        guard parts.count == 2, !parts[1].contains("/") else { return host.contains("/") ? [] : ["/ip6/\(host)"] }
        let zone = parts[1].hasPrefix("25") && parts[1].count > 2 ? parts[1].dropFirst(2) : parts[1]
        return ["/ip6zone/\(zone)/ip6/\(parts[0])"]
    }

    /// As curl decodes: a `%` that no two hexadecimal digits follow stands for itself.
    private static func unescaped(_ text: Substring) -> String? {
        let parts = text.split(separator: "%", omittingEmptySubsequences: false)
        var bytes = Array(parts[0].utf8)
        for part in parts.dropFirst() {
            if let decoded = PercentEncoding.bytes(of: "%" + part.prefix(2)), decoded.count == 1 {
                bytes += decoded + Array(part.dropFirst(2).utf8)
            } else {
                bytes += Array("%\(part)".utf8)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func invalid(_ reason: String) -> TransportError {
        TransportError(.invalidAddress, "the proxy's URL can't be used: \(reason)")
    }
}
