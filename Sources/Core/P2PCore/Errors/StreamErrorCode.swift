/// The number that a reset carries on transports that can carry one (libp2p specs, "error codes"): not on mplex.
public struct StreamErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: UInt32

    /// A code with any number, also one that no specification names.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// No reason given: the task that owned the stream was cancelled or went away.
    public static let cancelled = Self(rawValue: 0)
    /// The two sides share no protocol for this stream.
    public static let protocolNegotiationFailed = Self(rawValue: 0x1000)
    /// The side that resets has reached a limit of its own.
    public static let resourceLimitExceeded = Self(rawValue: 0x1001)
    /// The peer asks too often.
    public static let rateLimited = Self(rawValue: 0x1002)
    /// The peer broke the protocol's rules.
    public static let protocolViolation = Self(rawValue: 0x1003)
    /// The side that resets does not let the peer have the stream.
    public static let gated = Self(rawValue: 0x1007)

    /// The number in hexadecimal, as the specification lists it.
    public var description: String { "0x" + String(self.rawValue, radix: 16) }
}
