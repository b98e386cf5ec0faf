import NIOCore
package import P2PMultiaddr

/// Where a proxy is to connect: a host, which it resolves itself, and a port.
package struct ProxyTarget: Equatable, Sendable {
    enum Host: Equatable, Sendable {
        case ip(IPAddress)
        case name(String)
    }

    let host: Host
    let port: UInt16

    /// Plain TCP, or a Tor onion service, and nothing more than `/p2p` behind it.
    package init?(_ address: Multiaddr) {
        let components = address.components
        if let onion = components.first, onion.protocol == .onion3, let port = onion.port {
            guard components.dropFirst().allSatisfy({ $0.protocol == .p2p }), components.count <= 2 else { return nil }
            self.host = .name("\(onion.text.prefix { $0 != ":" }).onion")
            self.port = port
            return
        }
        guard let endpoint = address.tcpEndpoint, endpoint.remainder.allSatisfy({ $0.protocol == .p2p }), endpoint.remainder.count <= 1
        else { return nil }
        self.port = endpoint.port
        switch endpoint.host {
        // A zone names an interface of this machine, which means nothing to a proxy.
        case .ip(let ip, zone: nil): self.host = .ip(ip)
        case .ip: return nil
        // Both SOCKS and `Host` have limits of their own; no domain name is longer.
        case .name(let name, _):
            guard (1...253).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameCharacter) else { return nil }
            self.host = .name(name)
        }
    }

    /// The host and the port that an address begins with, whatever is spoken there.
    init?(hostOf address: Multiaddr) {
        guard let endpoint = address.tcpEndpoint ?? address.udpEndpoint else { return nil }
        self.port = endpoint.port
        switch endpoint.host {
        case .ip(let ip, _): self.host = .ip(ip)
        case .name(let name, _): self.host = .name(name)
        }
    }

    /// What a domain name is made of; with it, a name can't end a line or a field.
    static func isNameCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._".utf8.contains(byte)
        }
    }

    /// `host:port`, as HTTP writes it.
    var authority: String {
        switch self.host {
        case .ip(let ip): ip.isIPv6 ? "[\(ip)]:\(self.port)" : "\(ip):\(self.port)"
        case .name(let name): "\(name):\(self.port)"
        }
    }
}
