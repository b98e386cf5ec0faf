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
    /// `/plaintext/2.0.0`: no security at all, for tests and debugging. It must be the only one, so that nobody can choose it for us.
    public static let insecurePlaintext = SecurityName("insecure-plaintext")
}
