/// A row of the multiaddr protocol table: a code on the wire, a name in text, and the size of its value.
///
/// The same protocol is the same code; names and sizes follow from it.
public struct MultiaddrProtocol: Hashable, Sendable, CustomStringConvertible {
    /// How many bytes the value takes.
    public enum Size: Hashable, Sendable {
        /// The protocol has no value.
        case none
        /// Always so many bits, a multiple of 8.
        case fixed(bits: Int)
        /// Announced by a varint before the value.
        case variable
    }

    /// The number on the wire.
    public let code: UInt64
    /// The name in text.
    public let name: String
    /// How many bytes the value takes.
    public let size: Size
    /// How the value is written.
    let format: MultiaddrValueFormat

    init(_ code: UInt64, _ name: String, _ size: Size, _ format: MultiaddrValueFormat) {
        self.code = code
        self.name = name
        self.size = size
        self.format = format
    }

    /// The protocol of a code, if it is in the table.
    public init?(code: UInt64) {
        guard let found = code < UInt64(Self.low.count) ? Self.low[Int(code)] : Self.byCode[code] else { return nil }
        self = found
    }

    /// The protocol of a name, if it is in the table; `ipfs` is the old name of `p2p`.
    public init?(name: String) {
        guard let found = Self.byName[name] else { return nil }
        self = found
    }

    /// Whether the value takes up the rest of the text, slashes included.
    public var isPath: Bool { self.format == .path }

    /// The name.
    public var description: String { self.name }

    /// Protocols are equal when their codes are.
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    /// Hashes the code alone, in step with `==`.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.code) }

    private static let byCode: [UInt64: MultiaddrProtocol] = Dictionary(uniqueKeysWithValues: Self.all.map { ($0.code, $0) })
    /// Those in everyday addresses, which are read all the time, by their code.
    private static let low: [MultiaddrProtocol?] = (0..<512).map { Self.byCode[$0] }
    private static let byName: [String: MultiaddrProtocol] = {
        var names = Dictionary(uniqueKeysWithValues: Self.all.map { ($0.name, $0) })
        names["ipfs"] = .p2p
        return names
    }()
}
