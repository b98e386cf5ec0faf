public import P2PCore
import P2PHTTPHead
public import P2PMultiaddr

/// A proxy, as `--proxy` and the environment name it: `http://[user:password@]host[:port]` or `socks5://…`.
///
/// `socks5h` is the same as `socks5` here: names are always left to the proxy.
public struct ProxyURL: Sendable, Hashable, CustomStringConvertible {
    /// How the proxy is spoken to.
    public enum Kind: String, Sendable {
        /// HTTP CONNECT (RFC 9110, section 9.3.6).
        case http
        /// SOCKS version 5 (RFC 1928).
        case socks5

        var customaryPort: UInt16 { self == .http ? 8_080 : 1_080 }
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

    /// Reads a URL.
    ///
    /// - Throws: ``TransportError/Code/invalidAddress``; the message does not repeat a password.
    public init(_ text: String) throws(TransportError) {
        guard let separator = text.firstRange(of: "://") else { throw Self.invalid("it has no scheme, such as socks5://") }
        switch text[..<separator.lowerBound].lowercased() {
        case "http": self.kind = .http
        case "socks5", "socks5h", "socks": self.kind = .socks5
        default: throw Self.invalid("the scheme is not one of http, socks5 and socks5h")
        }
        var rest = text[separator.upperBound...]
        if rest.hasSuffix("/") { rest.removeLast() }
        var credentials: Credentials?
        if let at = rest.lastIndex(of: "@") {
            credentials = try Self.credentials(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        self.credentials = credentials
        self.address = try Self.address(rest, customaryPort: self.kind.customaryPort)
    }

    /// The customary variables that name a proxy, the first that is set counts.
    ///
    /// `HTTP_PROXY` is none: where a web server starts programs, a request's `Proxy` field sets it.
    public static let environmentNames = ["all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "http_proxy"]

    /// The proxy that the customary variables ask for; ``ProxyBypass/inEnvironment(_:)`` is what they except.
    public static func inEnvironment(_ environment: [String: String]) throws(TransportError) -> ProxyURL? {
        for name in Self.environmentNames {
            guard let text = environment[name], !text.isEmpty else { continue }
            return try ProxyURL(text)
        }
        return nil
    }

    /// Without the credentials.
    public var description: String { "\(self.kind.rawValue) proxy at \(self.address)" }

    private static func credentials(_ text: Substring) throws(TransportError) -> Credentials {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let user = Self.unescaped(parts[0]), let password = parts.count > 1 ? Self.unescaped(parts[1]) : "" else {
            throw Self.invalid("a % in the user or the password is not followed by two hexadecimal digits")
        }
        // RFC 1929 gives each one byte of length; Basic forbids a colon in the user.
        guard (1...255).contains(user.utf8.count), password.utf8.count <= 255, !user.contains(":") else {
            throw Self.invalid("user and password have at most 255 bytes each, and the user has no colon")
        }
        return Credentials(user: user, password: password)
    }

    private static func address(_ text: Substring, customaryPort: UInt16) throws(TransportError) -> Multiaddr {
        var host = text
        var port = customaryPort
        if let colon = text.lastIndex(of: ":"), text[colon...].firstIndex(of: "]") == nil,
            text.first == "[" || text.firstIndex(of: ":") == colon
        {
            let digits = text[text.index(after: colon)...]
            guard let number = HTTPHead.number(digits).flatMap(UInt16.init(exactly:)), number > 0 else {
                throw Self.invalid("the port is not a number from 1 to 65535")
            }
            (host, port) = (text[..<colon], number)
        }
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains("/") else { throw Self.invalid("there is no host") }
        let isName = host.utf8.allSatisfy(ProxyTarget.isNameCharacter)
        for form in isName ? ["/ip4/", "/dns/"] : ["/ip6/"] {
            if let address = try? Multiaddr("\(form)\(host)/tcp/\(port)") { return address }
        }
        throw Self.invalid("the host is not a name or an IP address")
    }

    private static func unescaped(_ text: Substring) -> String? {
        PercentEncoding.bytes(of: text).flatMap { String(validating: $0, as: UTF8.self) }
    }

    private static func invalid(_ reason: String) -> TransportError {
        TransportError(.invalidAddress, "the proxy's URL can't be used: \(reason)")
    }
}
