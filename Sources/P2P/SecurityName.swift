/// A secure channel that ``StandardConfiguration`` may ask for. An open set; only those that are built in can be made.
public struct SecurityName: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name, such as `noise`.
    public let description: String

    /// Takes any name; an unknown one is refused when the host is made.
    public init(_ name: String) { self.description = name }

    /// Takes any name; an unknown one is refused when the host is made.
    public init(stringLiteral name: String) { self.init(name) }

    /// `/noise`.
    public static let noise = SecurityName("noise")
    /// `/tls/1.0.0`.
    public static let tls = SecurityName("tls")
}
