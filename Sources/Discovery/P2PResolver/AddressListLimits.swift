/// How much whoever answers for a name may make a look-up of `/dnsaddr` do.
public struct AddressListLimits: Sendable, Hashable {
    /// How deep lists may name lists; 1 is the first list alone. Beyond, they are left out. go's depth.
    public var depth: Int
    /// Names that are asked for in one look-up; those beyond are left out.
    public var names: Int
    /// Records of one name that are looked at; those beyond are left out.
    public var records: Int
    /// Addresses that a look-up ends with; those beyond are left out. go's number.
    public var addresses: Int
    /// How long a look-up may take, all of its names together.
    public var timeout: Duration

    /// Bounds like those of other implementations.
    public init(depth: Int = 4, names: Int = 32, records: Int = 256, addresses: Int = 100, timeout: Duration = .seconds(5)) {
        self.depth = max(1, depth)
        self.names = max(1, names)
        self.records = max(1, records)
        self.addresses = max(1, addresses)
        self.timeout = max(.zero, timeout)
    }
}
