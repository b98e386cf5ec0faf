/// What a rendezvous point says about a request (rendezvous spec, "Protobuf"); others may say more.
public struct RendezvousStatus: Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire.
    public let rawValue: UInt64

    /// A status by its number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// It is done.
    public static let ok = RendezvousStatus(rawValue: 0)
    /// The namespace is empty, or longer than 255 bytes.
    public static let invalidNamespace = RendezvousStatus(rawValue: 100)
    /// The signed record is none, or another peer's.
    public static let invalidSignedPeerRecord = RendezvousStatus(rawValue: 101)
    /// The time is too short or too long.
    public static let invalidTimeToLive = RendezvousStatus(rawValue: 102)
    /// The cookie is not one of this point, or of another namespace.
    public static let invalidCookie = RendezvousStatus(rawValue: 103)
    /// The peer may not, or has registered too often.
    public static let notAuthorized = RendezvousStatus(rawValue: 200)
    /// Something went wrong.
    public static let internalError = RendezvousStatus(rawValue: 300)
    /// There is no room.
    public static let unavailable = RendezvousStatus(rawValue: 400)

    /// Its name, as the spec has it, or its number.
    public var description: String {
        switch self {
        case .ok: "ok"
        case .invalidNamespace: "invalidNamespace"
        case .invalidSignedPeerRecord: "invalidSignedPeerRecord"
        case .invalidTimeToLive: "invalidTTL"
        case .invalidCookie: "invalidCookie"
        case .notAuthorized: "notAuthorized"
        case .internalError: "internalError"
        case .unavailable: "unavailable"
        default: "\(self.rawValue)"
        }
    }
}
