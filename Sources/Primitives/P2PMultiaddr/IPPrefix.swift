/// A range of IP addresses that share their leading bits, such as 10.0.0.0/8.
public struct IPPrefix: Hashable, Sendable, CustomStringConvertible {
    /// An address in the range; need not be the first.
    public let address: IPAddress
    /// Leading bits that all of the range share.
    public let length: Int

    /// - Parameter length: leading bits; what is beyond the address's own length counts as that.
    public init(address: IPAddress, length: Int) {
        self.address = address
        self.length = min(max(length, 0), address.isIPv4 ? 32 : 128)
    }

    /// Whether the other address lies in the range; never one of the other IP version.
    public func contains(_ other: IPAddress) -> Bool {
        self.address.isIPv4 == other.isIPv4 && self.address.masked(to: self.length) == other.masked(to: self.length)
    }

    /// The range by its first address, so that equal ranges are equal values.
    public var normalized: IPPrefix { IPPrefix(address: self.address.masked(to: self.length), length: self.length) }

    /// The first address and the length: `10.0.0.0/8`.
    public var description: String { "\(self.address.masked(to: self.length))/\(self.length)" }
}
