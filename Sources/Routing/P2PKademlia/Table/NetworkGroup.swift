public import P2PMultiaddr

/// Addresses of the internet that probably belong to one operator: a hundred peers there are no more independent than one.
///
/// IPv4 by its first 16 bits, or 8 for the old networks that one owner has whole; IPv6 by its first 32 bits, which is what a registry gives to
/// one provider. What is not the internet's has no group: on a local network, everybody is in one.
public struct NetworkGroup: Hashable, Sendable {
    private let range: IPNetwork

    /// The first bytes of networks of 8 bits that have one owner each.
    private static let wholeNetworks: Set<UInt8> = [12, 17, 19, 38, 48, 53, 56, 73]

    /// The group of an address; nil for a name, and for what is not the internet's.
    public init?(of address: Multiaddr) {
        guard !address.isRelayed, let ip = address.ipAddress?.unmapped, ip.isPublic else { return nil }
        if ip.isIPv4 {
            let isWhole = ip.bytes.first.map { Self.wholeNetworks.contains($0) } ?? false
            self.range = IPNetwork(ip, prefixLength: isWhole ? 8 : 16)
        } else {
            self.range = IPNetwork(ip, prefixLength: 32)
        }
    }
}

/// How many peers of one ``NetworkGroup`` there may be, so that who has many ids in one place has little.
public struct DiversityLimits: Hashable, Sendable {
    /// In the table.
    public var perTable: Int
    /// In one bucket of it.
    public var perBucket: Int
    /// In one answer: of a group that has more, none is believed.
    public var perAnswer: Int

    /// Limits of one's own.
    public init(perTable: Int, perBucket: Int, perAnswer: Int) {
        self.perTable = perTable
        self.perBucket = perBucket
        self.perAnswer = perAnswer
    }

    /// Those of the public network: 3, 2 and 3, as go has them.
    public static let publicNetwork = DiversityLimits(perTable: 3, perBucket: 2, perAnswer: 3)
    /// None, for networks whose nodes are where they are.
    public static let none = DiversityLimits(perTable: .max, perBucket: .max, perAnswer: .max)
}
