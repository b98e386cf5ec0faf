import NIOCore
package import P2PMultiaddr
import Synchronization

/// The networks that this machine is in, as its interfaces say, at one moment.
package struct LocalNetworks: Sendable, Hashable {
    /// An interface and the ranges of its addresses.
    package struct Link: Sendable, Hashable {
        /// Such as `eth0`; empty for an address that no interface is known of.
        package let name: String
        /// The interface's number in the system; 0 is none.
        package let index: Int
        package var prefixes: [InterfaceAddress]

        package init(name: String, index: Int, prefixes: [InterfaceAddress]) {
            self.name = name
            self.index = index
            self.prefixes = prefixes
        }

        func holds(_ ip: IPAddress) -> Bool { self.prefixes.contains { $0.address == ip } }
        func reaches(_ ip: IPAddress) -> Bool { self.prefixes.contains { $0.contains(ip) } }
        /// Whether the zone of an address means this interface.
        func isNamed(_ zone: String) -> Bool { self.name == zone || self.index != 0 && zone == "\(self.index)" }
    }

    package private(set) var links: [Link]

    package init(_ links: [Link] = []) {
        self.links = links
    }

    /// What the system said last.
    private static let known = Mutex(LocalNetworks())

    /// As the system has them now; when it can't list them at the moment, which does not mean that they are gone, as it had them last.
    package static func current() -> LocalNetworks {
        guard let devices = NetworkInterfaces.devices() else { return self.known.withLock { $0 } }
        let current = LocalNetworks(devices)
        self.known.withLock { $0 = current }
        return current
    }

    private init(_ devices: [NIONetworkDevice]) {
        var links: [Link] = []
        for device in devices {
            guard let ip = device.address?.ip else { continue }
            let length = device.netmask?.ip?.bytes.reduce(0) { $0 + $1.nonzeroBitCount } ?? ip.bytes.count * 8
            let prefix = InterfaceAddress(address: ip, length: length)
            if let at = links.firstIndex(where: { $0.index == device.interfaceIndex && $0.name == device.name }) {
                links[at].prefixes.append(prefix)
            } else {
                links.append(Link(name: device.name, index: device.interfaceIndex, prefixes: [prefix]))
            }
        }
        self.init(links)
    }

    /// These, and addresses of which no interface is known, such as those of a network that is simulated.
    package func adding(_ addresses: some Sequence<Multiaddr>) -> LocalNetworks {
        var more = self
        for ip in addresses.lazy.compactMap({ $0.ipAddress?.unmapped }) where !ip.isUnspecified && !more.holds(ip) {
            more.links.append(Link(name: "", index: 0, prefixes: [InterfaceAddress(address: ip, length: ip.isIPv4 ? 32 : 128)]))
        }
        return more
    }

    /// Whether it is an address of this machine.
    func holds(_ ip: IPAddress) -> Bool { self.links.contains { $0.holds(ip) } }
    /// Whether one of the machine's interfaces reaches it without a router.
    func reaches(_ ip: IPAddress) -> Bool { self.links.contains { $0.reaches(ip) } }
    /// Whether there is such a network here.
    func contains(_ network: IPNetwork) -> Bool {
        self.links.contains { $0.prefixes.contains { $0.network == network } }
    }
}
