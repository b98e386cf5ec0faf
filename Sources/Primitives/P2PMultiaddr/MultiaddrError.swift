/// Why text or bytes are not a multiaddr, and which component is to blame.
///
/// Two errors are equal when their codes are: the rest is for people.
public struct MultiaddrError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of mistake it was; an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as logs print it.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// No component at all.
        public static let empty = Code("empty")
        /// The text does not begin with a slash, or has an empty component name.
        public static let malformed = Code("malformed")
        /// Text or bytes beyond `Multiaddr.maxTextLength` or `Multiaddr.maxLength`; found before any other work.
        public static let tooLong = Code("tooLong")
        /// More than `Multiaddr.maxComponents`.
        public static let tooManyComponents = Code("tooManyComponents")
        /// A name or a code that is not in the protocol table.
        public static let unknownProtocol = Code("unknownProtocol")
        /// A protocol that has a value stands without one.
        public static let missingValue = Code("missingValue")
        /// A value that its protocol cannot have.
        public static let invalidValue = Code("invalidValue")
        /// The bytes end within a component.
        public static let truncated = Code("truncated")
        /// A code or length that is no minimal varint.
        public static let invalidVarint = Code("invalidVarint")
        /// A component follows one that extends to the end (`unix`).
        public static let afterPath = Code("afterPath")
    }

    /// The kind of mistake, for programs.
    public let code: Code
    /// What was wrong, for people, without the component. Text of the peer is quoted, escaped and shortened.
    public let message: String
    /// The protocol of the component to blame, as far as it is known.
    public let component: String?
    /// The component's place, the first being 0.
    public let position: Int?

    /// Makes an error from a code, a sentence for people, and the component to blame.
    public init(_ code: Code, _ message: String, component: String? = nil, position: Int? = nil) {
        self.code = code
        self.message = message
        self.component = component
        self.position = position
    }

    /// Code, component, position and message in one line.
    public var description: String {
        var place = ""
        if let component { place += "/\(component) " }
        if let position { place += "(component \(position)) " }
        return "\(self.code): \(place)\(self.message)"
    }

    /// Errors are equal when their codes are.
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    /// Hashes the code alone, in step with `==`.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.code) }
}

/// What is wrong with one value; becomes a `MultiaddrError` where the component and its place are known.
struct InvalidValue: Error {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }

    func error(in component: MultiaddrProtocol, at position: Int?) -> MultiaddrError {
        MultiaddrError(.invalidValue, self.reason, component: component.name, position: position)
    }

    /// Text of unknown origin for a message: quoted, escaped, at most 64 bytes of it.
    static func quoted(_ bytes: some Collection<UInt8>) -> String {
        let limit = 64
        var shown = "'"
        for byte in bytes.prefix(limit) {
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\\"): shown += "\\" + String(Unicode.Scalar(byte))
            case 0x20...0x7e: shown.unicodeScalars.append(Unicode.Scalar(byte))
            default: shown += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return shown + (bytes.count > limit ? "…'" : "'")
    }
}
