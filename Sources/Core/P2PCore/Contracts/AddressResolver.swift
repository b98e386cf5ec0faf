public import NIOCore
public import P2PMultiaddr

/// Turns an address that names a list of addresses in DNS (`/dnsaddr/…`) into those that it lists.
public protocol AddressResolver: Sendable {
    /// The addresses that may be dialled in the place of `address`: none of them begins with `/dnsaddr`, and each ends as `address` does
    /// after the name, with the same `/p2p` for instance.
    ///
    /// - Throws: when there is none: ``TransportError/Code/unresolvable``, ``TransportError/Code/timedOut``, and
    ///   ``TransportError/Code/notBuiltIn`` where nothing resolves such addresses.
    func resolve(_ address: Multiaddr, deadline: NIODeadline) async throws(TransportError) -> [Multiaddr]
}

extension Multiaddr {
    /// Whether it names a list of addresses in DNS, and so has to be resolved before anybody can dial.
    public var isAddressList: Bool { self.begins(with: .dnsaddr) }
}
