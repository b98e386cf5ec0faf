/// The number that a closing connection carries on transports that can carry one (libp2p specs, "error codes").
public struct ConnectionErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: UInt32

    /// A code with any number, also one that no specification names.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The connection is closed because it has done what it was made for.
    public static let normal = Self(rawValue: 0)
    /// The two sides share no security protocol or muxer.
    public static let protocolNegotiationFailed = Self(rawValue: 0x1000)
    /// The side that closes has reached a limit of its own.
    public static let resourceLimitExceeded = Self(rawValue: 0x1001)
    /// The peer asks too often.
    public static let rateLimited = Self(rawValue: 0x1002)
    /// The peer broke a protocol's rules.
    public static let protocolViolation = Self(rawValue: 0x1003)
    /// Another connection to the same peer takes this one's place.
    public static let supplanted = Self(rawValue: 0x1004)
    /// The connection was idle and made room for others.
    public static let garbageCollected = Self(rawValue: 0x1005)
    /// The node that closes is shutting down.
    public static let shutdown = Self(rawValue: 0x1006)
    /// The gater refused the peer.
    public static let gated = Self(rawValue: 0x1007)

    /// The number in hexadecimal, as the specification lists it.
    public var description: String { "0x" + String(self.rawValue, radix: 16) }
}
