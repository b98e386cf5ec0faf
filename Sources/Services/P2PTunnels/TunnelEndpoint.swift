import P2PMultiaddr

/// A local end of a tunnel: a socket that is connected to, or listened on.
public enum TunnelEndpoint: Hashable, Sendable {
    /// A port of a host: an IP address or a name, IPv6 without brackets.
    case ip(host: String, port: UInt16)
    /// A unix socket by its path.
    case unix(path: String)

    /// The longest path that a unix socket may have on every system, in bytes.
    public static let maximumPathLength = 103

    /// Whether this is a loopback address, which nobody but this machine reaches, or a unix socket.
    public var isLocal: Bool {
        switch self {
        case .ip(let host, _): IPAddress(host)?.isLoopback ?? (host == "localhost")
        case .unix: true
        }
    }
}

extension TunnelEndpoint: LosslessStringConvertible {
    /// Reads `HOST:PORT`, with an IPv6 address in brackets, or `unix:PATH`.
    public init?(_ description: String) {
        if description.hasPrefix("unix:") {
            let path = String(description.dropFirst(5))
            guard (1...Self.maximumPathLength).contains(path.utf8.count), !path.utf8.contains(0) else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = description.lastIndex(of: ":") else { return nil }
        var host = description[..<colon]
        let digits = description[description.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard IPAddress(String(host))?.isIPv6 == true else { return nil }
        } else if host.contains(":") {
            return nil
        }
        guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        self = .ip(host: String(host), port: port)
    }

    /// `HOST:PORT`, with an IPv6 address in brackets, or `unix:PATH`.
    public var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
