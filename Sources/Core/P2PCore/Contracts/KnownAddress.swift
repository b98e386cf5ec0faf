public import P2PMultiaddr

/// An address of a peer, and what speaks for it.
public struct KnownAddress: Sendable, Hashable {
    /// Without `/p2p`.
    public let address: Multiaddr
    /// Where it came from.
    public let source: AddressSource
    /// Where it holds; nil when that is not known.
    public let origin: AddressOrigin?

    /// An address with what speaks for it.
    public init(_ address: Multiaddr, source: AddressSource, origin: AddressOrigin? = nil) {
        self.address = address
        self.source = source
        self.origin = origin
    }
}

/// Where an address holds: an address of a private network means another host in another network, and a loopback address on another machine.
public struct AddressOrigin: Sendable, Hashable, RawRepresentable {
    /// `host`, `internet`, or a range of addresses such as `192.168.1.0/24`.
    public let rawValue: String

    /// Any text, as a store kept it; one that is none of the above holds nowhere.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// This machine.
    public static let host = AddressOrigin(rawValue: "host")
    /// Everywhere; or it was told by somebody who may be anywhere.
    public static let internet = AddressOrigin(rawValue: "internet")

    /// A network that this machine was in.
    init(network: IPNetwork) { self.init(rawValue: "\(network.address)/\(network.prefixLength)") }

    /// The network, if it is one.
    var network: IPNetwork? { IPNetwork(self.rawValue) }
}
