import NIOCore
import P2PCore
import P2PMultiaddr

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// A link of this machine, and what the sockets on it need to know.
struct MulticastInterface: Sendable {
    /// Links that are used at a time.
    static let limit = 64

    let link: MDNSLink
    /// One of its addresses, of the link's family.
    let device: NIONetworkDevice

    /// Every interface that is up and can carry multicast, or is the loopback interface, once for each family of its addresses; nil when the
    /// system can't list them at the moment, which does not mean that they are gone.
    ///
    /// - Parameter names: the only ones to take; empty for all.
    static func all(named names: Set<String>) -> [MulticastInterface]? {
        guard let up = NetworkInterfaces.attempting(self.namesOfThoseThatAreUp), let devices = NetworkInterfaces.devices() else {
            return nil
        }
        var found: [MDNSLink.ID: (device: NIONetworkDevice, isLoopback: Bool, prefixes: [MDNSLink.Prefix])] = [:]
        for device in devices {
            guard names.isEmpty || names.contains(device.name), let isLoopback = up[device.name], let ip = device.address?.ip,
                device.multicastSupported || isLoopback
            else { continue }
            let id = MDNSLink.ID(interface: device.interfaceIndex, isIPv6: ip.isIPv6)
            let length = device.netmask?.ip?.bytes.reduce(0) { $0 + $1.nonzeroBitCount } ?? ip.bytes.count * 8
            found[id, default: (device, isLoopback, [])].prefixes.append(MDNSLink.Prefix(address: ip, length: length))
        }
        return found.sorted { $0.key < $1.key }.prefix(self.limit).map { id, interface in
            MulticastInterface(
                link: MDNSLink(id: id, name: interface.device.name, isLoopback: interface.isLoopback, prefixes: interface.prefixes),
                device: interface.device)
        }
    }

    /// The names of interfaces that are up and have a carrier, with whether they are loopback interfaces.
    private static func namesOfThoseThatAreUp() -> [String: Bool]? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var names: [String: Bool] = [:]
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            let flags = Int(entry.ifa_flags)
            guard let name = entry.ifa_name, flags & Int(IFF_UP) != 0, flags & Int(IFF_RUNNING) != 0 else { continue }
            names[String(cString: name)] = flags & Int(IFF_LOOPBACK) != 0
        }
        return names
    }
}
