public import P2PCore

/// The name of a service, which is also the protocol that is negotiated for it: `/x/ssh`, as kubo has it.
public struct TunnelName: Hashable, Sendable {
    /// The protocol of the service.
    public let protocolID: ProtocolID

    /// What all of them begin with.
    public static let prefix = "/x/"
    /// The longest segment, in bytes.
    public static let maximumSegment = 64
    /// The longest name, in bytes.
    public static let maximumLength = 255
}

extension TunnelName: LosslessStringConvertible {
    /// Reads `/x/NAME`: segments of letters, digits, `.`, `_` and `-`, at most 64 of them each.
    public init?(_ description: String) {
        guard description.hasPrefix(Self.prefix), description.utf8.count <= Self.maximumLength else { return nil }
        let segments = description.dropFirst(Self.prefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard segments.allSatisfy(Self.isSegment) else { return nil }
        self.protocolID = ProtocolID(description)
    }

    private static func isSegment(_ segment: Substring) -> Bool {
        (1...Self.maximumSegment).contains(segment.utf8.count)
            && segment.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The name, as it is negotiated.
    public var description: String { self.protocolID.name }
}
