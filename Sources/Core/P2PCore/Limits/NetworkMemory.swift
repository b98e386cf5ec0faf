package import P2PMultiaddr
import Synchronization

/// What the connections with one network hold together, and those with the larger one around it.
package final class NetworkMemory: Sendable {
    package let network: IPNetwork
    /// The larger network, which counts all of it, too.
    let around: NetworkMemory?
    private let bytes = Atomic(0)

    init(_ network: IPNetwork, in around: NetworkMemory? = nil) {
        self.network = network
        self.around = around
    }

    /// Bytes that its connections have taken.
    package var held: Int { self.bytes.load(ordering: .relaxed) }

    /// - Returns: what it holds now.
    func change(by bytes: Int) -> Int { self.bytes.wrappingAdd(bytes, ordering: .relaxed).newValue }
}

extension Multiaddr {
    /// The networks in which a connection with the address counts, the smallest first: an IPv4 /24, or an IPv6 /56 and the /48 around it. None for
    /// loopback, names and memory addresses.
    package var networks: [IPNetwork] {
        guard let ip = self.ipAddress?.unmapped, !ip.isLoopback else { return [] }
        return ip.isIPv4
            ? [IPNetwork(ip, prefixLength: 24)] : [IPNetwork(ip, prefixLength: 56), IPNetwork(ip, prefixLength: 48)]
    }
}
