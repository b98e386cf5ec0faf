/// What a relay, or the one at the other end, says to a request: an open set, as numbers on the wire.
public struct RelayStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: UInt64

    /// A status with any number, also one that no specification names.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// It was done.
    public static let ok = Self(rawValue: 100)
    /// There is no place at this relay now.
    public static let reservationRefused = Self(rawValue: 200)
    /// Too many circuits, or another limit of the relay.
    public static let resourceLimitExceeded = Self(rawValue: 201)
    /// The relay does not do that for this peer.
    public static let permissionDenied = Self(rawValue: 202)
    /// The target could not be asked, or did not answer.
    public static let connectionFailed = Self(rawValue: 203)
    /// The target has no place at this relay.
    public static let noReservation = Self(rawValue: 204)
    /// The request could not be read.
    public static let malformedMessage = Self(rawValue: 400)
    /// The request is not one that begins a stream.
    public static let unexpectedMessage = Self(rawValue: 401)

    private static let names: [RelayStatus: String] = [
        .ok: "OK", .reservationRefused: "RESERVATION_REFUSED", .resourceLimitExceeded: "RESOURCE_LIMIT_EXCEEDED",
        .permissionDenied: "PERMISSION_DENIED", .connectionFailed: "CONNECTION_FAILED", .noReservation: "NO_RESERVATION",
        .malformedMessage: "MALFORMED_MESSAGE", .unexpectedMessage: "UNEXPECTED_MESSAGE",
    ]

    /// The name that the specification gives it, and the number.
    public var description: String {
        guard let name = Self.names[self] else { return "status \(self.rawValue)" }
        return "\(name) (\(self.rawValue))"
    }
}
