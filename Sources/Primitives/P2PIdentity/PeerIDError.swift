public import P2PMultiformats

/// Why bytes or text are not a peer id.
///
/// Two errors are equal when their codes are: the message and the cause are for people.
public struct PeerIDError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of mistake it was; an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as logs print it.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// Longer than any peer id; found before any other work.
        public static let tooLong = Code("tooLong")
        /// Neither base58btc of a multihash nor the text of a CID; or the bytes are no multihash.
        public static let malformed = Code("malformed")
        /// A hash other than identity and sha2-256.
        public static let unsupportedHash = Code("unsupportedHash")
        /// The digest's length is not one that a peer id has.
        public static let invalidLength = Code("invalidLength")
        /// A CID of something else than a libp2p key.
        public static let notAKey = Code("notAKey")
    }

    /// The kind of mistake, for programs.
    public let code: Code
    /// What was wrong, for people.
    public let message: String
    /// What the layer below said.
    public let cause: MultiformatsError?

    /// Makes an error from a code, a sentence for people, and what the layer below said.
    public init(_ code: Code, _ message: String, cause: MultiformatsError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The code, the message and the cause in one line.
    public var description: String {
        "\(self.code): \(self.message)" + (self.cause.map { " (\($0.message))" } ?? "")
    }

    /// Errors are equal when their codes are.
    public static func == (left: Self, right: Self) -> Bool { left.code == right.code }

    /// Hashes the code alone, in step with `==`.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.code) }
}
