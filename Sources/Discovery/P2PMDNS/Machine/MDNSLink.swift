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

    /// A range of addresses that are reached without a router.
    package struct Prefix: Hashable, Sendable {
        /// Our own address in it.
        package let address: IPAddress
        /// Leading bits that all of the range share.
        package let length: Int

        package init(address: IPAddress, length: Int) {
            self.address = address
            self.length = length
        }

        /// Whether the other address lies in the range.
        package func contains(_ other: IPAddress) -> Bool {
            let own = self.address.bytes
            let bytes = other.bytes
            guard own.count == bytes.count else { return false }
            var left = min(max(self.length, 0), own.count * 8)
            for (mine, its) in zip(own, bytes) {
                guard left > 0 else { return true }
                let mask: UInt8 = left >= 8 ? 0xff : ~(0xff >> UInt8(left))
                guard mine & mask == its & mask else { return false }
                left -= 8
            }
            return true
        }
    }

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
