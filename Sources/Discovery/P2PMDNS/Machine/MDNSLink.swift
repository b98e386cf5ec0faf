package import P2PCore
package import P2PMultiaddr

/// One interface with one family of addresses: what a multicast packet is sent to, and where one arrives.
package struct MDNSLink: Hashable, Sendable {
    /// Which of the machine's links.
    package struct ID: Hashable, Sendable {
        /// The interface's index in the system.
        package let interface: Int
        package let isIPv6: Bool

        package init(interface: Int, isIPv6: Bool) {
            self.interface = interface
            self.isIPv6 = isIPv6
        }
    }

    /// Our own address, and the range around it that is reached without a router.
    package typealias Prefix = InterfaceAddress

    package let id: ID
    /// The interface's name, such as `eth0`.
    package let name: String
    package let isLoopback: Bool
    package let prefixes: [Prefix]

    package init(id: ID, name: String, isLoopback: Bool, prefixes: [Prefix]) {
        self.id = id
        self.name = name
        self.isLoopback = isLoopback
        self.prefixes = prefixes
    }

    /// Whether a packet from there can have come without a router (RFC 6762, section 11).
    package func isOnLink(_ source: IPAddress) -> Bool {
        if source.isIPv6, source.isLinkLocal { return true }
        return self.prefixes.contains { $0.contains(source) }
    }
}

extension LocalNetworks {
    /// The networks of these links: an interface's families together.
    init(_ links: some Sequence<MDNSLink>) {
        let interfaces = Dictionary(grouping: links) { $0.id.interface }
        self.init(
            interfaces.sorted { $0.key < $1.key }.map { index, links in
                Link(name: links[0].name, index: index, prefixes: links.sorted { $0.id < $1.id }.flatMap(\.prefixes))
            })
    }
}

/// Who sent a packet.
package struct MDNSSource: Hashable, Sendable {
    package let ip: IPAddress
    package let port: UInt16

    package init(ip: IPAddress, port: UInt16) {
        self.ip = ip
        self.port = port
    }
}

/// A packet to send.
package struct MDNSPacket: Hashable, Sendable {
    package let bytes: [UInt8]
    package let link: MDNSLink.ID
    /// Whom to; nil is everybody on the link.
    package let destination: MDNSSource?
}
