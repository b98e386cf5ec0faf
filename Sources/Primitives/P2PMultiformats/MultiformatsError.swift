/// Why bytes or text are not a valid varint, multibase, multihash or CID.
///
/// Two errors are equal when their codes are: the message is for people.
public struct MultiformatsError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of mistake it was; an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as logs print it.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The input ends before the value does.
        public static let truncated = Code("truncated")
        /// The value was complete but more bytes follow it.
        public static let trailingBytes = Code("trailingBytes")
        /// The input is beyond a named limit.
        public static let tooLong = Code("tooLong")
        /// The same value has a shorter or a stricter spelling, and only that one is accepted.
        public static let notCanonical = Code("notCanonical")
        /// A character is not in the alphabet.
        public static let invalidCharacter = Code("invalidCharacter")
        /// The number of characters or bytes is impossible.
        public static let invalidLength = Code("invalidLength")
        /// A multibase prefix, hash function or CID version that this project does not speak.
        public static let unsupported = Code("unsupported")
    }

    /// The kind of mistake, for programs.
    public let code: Code
    /// What was wrong and where, for people.
    public let message: String

    /// Makes an error from a code and a sentence for people.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The code and the message in one line.
    public var description: String { "\(self.code): \(self.message)" }

    /// Errors are equal when their codes are.
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    /// Hashes the code alone, in step with `==`.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.code) }
}
