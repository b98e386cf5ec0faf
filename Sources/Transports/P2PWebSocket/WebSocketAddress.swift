import P2PMultiaddr
import P2PWebTLS

/// An address that ends in a WebSocket: `/ws`, `/wss`, `/tls/ws` or `/tls/sni/NAME/ws` behind what carries it, and perhaps `/http-path`.
struct WebSocketAddress: Equatable, Sendable {
    private static let plainPort: UInt16 = 80
    private static let securePort: UInt16 = 443

    /// What carries it, such as `/ip4/…/tcp/…`; with the port that is customary where the address had none.
    let base: Multiaddr
    /// From `/ws` or `/tls` on, without the peer.
    let suffix: [MultiaddrComponent]
    /// Whether TLS lies below.
    let isSecure: Bool
    /// The name that the address tells to ask for.
    let serverName: String?
    /// The path to request, with its slash.
    let path: String?

    init?(_ address: Multiaddr) {
        let components = address.components
        guard let start = components.firstIndex(where: { [.ws, .wss, .tls].contains($0.protocol) }), start > 0 else { return nil }
        var rest = components[start...]
        if rest.last?.protocol == .p2p { rest.removeLast() }
        self.suffix = Array(rest)

        var name: String?
        var isSecure = false
        switch rest.popFirst()?.protocol {
        case .ws: break
        case .wss: isSecure = true
        case .tls:
            isSecure = true
            if rest.first?.protocol == .sni { name = rest.popFirst()?.name }
            guard rest.popFirst()?.protocol == .ws else { return nil }
        default: return nil
        }
        var path: String?
        if rest.first?.protocol == .httpPath, let text = rest.popFirst()?.text {
            path = Self.path(text)
        }
        guard rest.isEmpty else { return nil }

        let carrier = Array(components[..<start])
        guard let base = Self.withPort(carrier, isSecure ? Self.securePort : Self.plainPort) else { return nil }
        self.base = base
        self.isSecure = isSecure
        self.serverName = name
        self.path = path
    }

    /// The percent-encoded value, whose slashes separate segments in a request.
    private static func path(_ text: String) -> String {
        let path = text.replacing("%2F", with: "/").replacing("%2f", with: "/")
        return path.hasPrefix("/") ? path : "/" + path
    }

    private static func withPort(_ carrier: [MultiaddrComponent], _ port: UInt16) -> Multiaddr? {
        switch carrier.last?.protocol {
        case .ip4, .ip6, .dns, .dns4, .dns6: try? Multiaddr(carrier + [.tcp(port)])
        default: try? Multiaddr(carrier)
        }
    }

    /// The same WebSocket over another carrier, such as a real port or one interface; the carrier itself if it is too long.
    func over(_ base: Multiaddr) -> Multiaddr {
        (try? Multiaddr(base.components + self.suffix)) ?? base
    }

    /// What the request calls the server (RFC 9110, section 7.2): without the customary port.
    var host: String {
        let head = self.base.components.first { $0.protocol != .ip6zone }
        let name: String =
            if let serverName = self.serverName {
                serverName
            } else if let ip = head?.ipAddress {
                ip.isIPv6 ? "[\(ip)]" : "\(ip)"
            } else if let onion = self.onionName {
                onion
            } else { head?.text ?? "" }
        let port = self.base.components.lazy.compactMap(\.port).first
        guard let port, port != (self.isSecure ? Self.securePort : Self.plainPort) else { return name }
        return "\(name):\(port)"
    }

    /// Whom the certificate must be for: the name that the address tells to ask for, or else its own name or IP address, however it is
    /// reached. Nil without TLS.
    var serverIdentity: ServerIdentity? {
        guard self.isSecure else { return nil }
        if let serverName = self.serverName { return .name(serverName) }
        let head = self.base.components.first { $0.protocol != .ip6zone }
        if let ip = head?.ipAddress { return .address(ip) }
        switch head?.protocol {
        case .dns, .dns4, .dns6: return head?.name.map { .name($0) }
        default: return self.onionName.map { .name($0) }
        }
    }

    private var onionName: String? {
        guard let head = self.base.components.first, head.protocol == .onion3 else { return nil }
        return "\(head.text.prefix { $0 != ":" }).onion"
    }
}
