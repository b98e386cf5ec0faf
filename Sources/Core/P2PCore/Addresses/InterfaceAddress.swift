package import P2PMultiaddr

/// An address of this machine's, and the range around it that its interface reaches without a router.
package struct InterfaceAddress: Hashable, Sendable {
    package let address: IPAddress
    package let network: IPNetwork

    /// - Parameter length: leading bits that all of the range share.
    package init(address: IPAddress, length: Int) {
        self.address = address
        self.network = IPNetwork(address, prefixLength: length)
    }

    /// Whether the other address lies in the range.
    package func contains(_ other: IPAddress) -> Bool { self.network.contains(other) }
}
