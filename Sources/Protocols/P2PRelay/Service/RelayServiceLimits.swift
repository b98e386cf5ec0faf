/// What a relay gives away at most. The defaults are those of go-libp2p, and a bound for networks on top.
public struct RelayServiceLimits: Sendable, Hashable {
    /// Places that are given at a time; one for each peer.
    public var reservations = 128
    /// Of these for peers at one address: an IPv4 address, or an IPv6 network of 64 bits. Loopback is not counted.
    public var reservationsPerAddress = 8
    /// Of these for peers of one network: an IPv4 /16, or an IPv6 /32.
    public var reservationsPerNetwork = 32
    /// How long a place lasts, unless it is asked for again.
    public var reservationLifetime = Duration.seconds(3_600)
    /// Circuits at a time.
    public var circuits = 256
    /// Of these that one peer has, at either end.
    public var circuitsPerPeer = 16
    /// How long a circuit lives, in whole seconds; nil for as long as it likes.
    public var circuitDuration: Duration? = .seconds(120)
    /// Bytes that pass over one circuit in each direction; nil for any number.
    public var circuitData: Int? = 128 * 1_024

    /// The defaults.
    public init() {}

    /// What the two ends of a circuit are told; nil makes their connection one without limits.
    var circuit: CircuitLimit? {
        guard self.circuitDuration != nil || self.circuitData != nil else { return nil }
        return CircuitLimit(duration: self.circuitDuration, data: self.circuitData.map { UInt64(clamping: $0) })
    }
}
