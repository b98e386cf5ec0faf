/// A stream muxer that ``StandardConfiguration`` may ask for. An open set; only those that are built in can be made.
public struct MuxerName: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name, such as `yamux`.
    public let description: String

    /// Takes any name; an unknown one is refused when the host is made.
    public init(_ name: String) { self.description = name }

    /// Takes any name; an unknown one is refused when the host is made.
    public init(stringLiteral name: String) { self.init(name) }

    /// `/yamux/1.0.0`.
    public static let yamux = MuxerName("yamux")
    /// `/mplex/6.7.0`.
    public static let mplex = MuxerName("mplex")
}
