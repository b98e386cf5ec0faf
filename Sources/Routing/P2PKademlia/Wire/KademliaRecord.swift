/// A value under a key, as it travels and is stored (kad-dht spec, "RPC messages").
public struct KademliaRecord: Hashable, Sendable {
    /// What the value is found under: `/namespace/…` as bytes, which need not be text.
    public var key: [UInt8]
    /// The value; what it means is its namespace's.
    public var value: [UInt8]
    /// When its holder got it, in RFC 3339; set by whoever stores it, believed by nobody.
    public var timeReceived: String?
    /// rust's extensions 666 and 777, which are given back as they came: the publisher's id, and the seconds that are left.
    var publisher: [UInt8]?
    var secondsLeft: UInt32?

    /// A value under its key.
    public init(key: [UInt8], value: [UInt8], timeReceived: String? = nil) {
        self.key = key
        self.value = value
        self.timeReceived = timeReceived
    }
}
