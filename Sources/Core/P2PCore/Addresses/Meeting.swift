package import P2PMultiaddr

/// Where this node has met another: what it is told there, and tells there, is judged by that.
package struct Meeting: Sendable, Hashable {
    /// From where the other's address means the same host.
    package let reach: AddressReach
    /// The other's address; nil for a name, and where there is none.
    package let remote: IPAddress?
    /// This machine's.
    package let local: IPAddress?
    /// The interface that both are on, by name or number; nil when the addresses say it.
    package let zone: String?

    /// Through a relay, a proxy or another who speaks for it, the other may be anywhere.
    package static let anywhere = Meeting(reach: .internet, remote: nil, local: nil, zone: nil)

    private init(reach: AddressReach, remote: IPAddress?, local: IPAddress?, zone: String?) {
        self.reach = reach
        self.remote = remote
        self.local = local
        self.zone = zone
    }

    /// Two ends of a connection.
    package init(remote: Multiaddr, local: Multiaddr) {
        guard !remote.isRelayed, let reach = remote.reach else {
            self = .anywhere
            return
        }
        let ip = local.ipAddress?.unmapped
        self.init(
            reach: reach, remote: remote.ipAddress?.unmapped, local: ip?.isUnspecified == true ? nil : ip, zone: remote.zone ?? local.zone)
    }

    package init(_ connection: ConnectionInfo) {
        self = connection.isLimited ? .anywhere : Meeting(remote: connection.remoteAddress, local: connection.localAddress)
    }

    /// Everybody on an interface's link.
    package init(on interface: String, isLoopback: Bool) {
        self.init(reach: isLoopback ? .host : .link, remote: nil, local: nil, zone: interface)
    }

    /// A packet that came through an interface.
    ///
    /// - Parameter isLoopback: everybody who speaks there is on this machine, whatever the address.
    package init(from remote: IPAddress, on interface: String, isLoopback: Bool) {
        self.init(reach: isLoopback ? .host : remote.reach, remote: remote.unmapped, local: nil, zone: interface)
    }
}
