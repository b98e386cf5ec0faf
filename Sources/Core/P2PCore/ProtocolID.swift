/// The name of a protocol as multistream-select negotiates it, such as `/ipfs/ping/1.0.0`.
///
/// An open set: anyone may define one (multistream-select 1.0, "Messages").
public struct ProtocolID: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The longest name that is sent or accepted, in bytes; go's longest token, less its newline.
    public static let maximumLength = 1_023

    /// The name, without multistream-select's trailing newline.
    public let name: String

    /// Takes a name that a program knows to be sound.
    public init(_ name: String) {
        self.name = name
    }

    /// Takes a name that a program knows to be sound.
    public init(stringLiteral value: String) {
        self.init(value)
    }

    /// Takes a name that came from a peer.
    ///
    /// - Returns: nil when the name is empty, longer than ``maximumLength`` or holds a control character.
    public init?(validating name: String) {
        guard !name.isEmpty, name.utf8.count <= Self.maximumLength, name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
        else { return nil }
        self.name = name
    }

    /// The name, as it goes over the wire.
    public var description: String { self.name }
}
