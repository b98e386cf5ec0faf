/// Why a key, an id, a signed envelope or a key file was refused.
///
/// Programs compare `code`; people read `message`. Two errors are equal when their codes are.
public struct IdentityError: Error, Sendable {
    /// What went wrong, for programs. The set is open: later versions may add codes.
    public var code: Code

    /// What went wrong and where, for people. Never contains private key material.
    public var message: String

    /// The error underneath, when there is one.
    public var cause: (any Error)?

    /// Makes an error from its code, a message for people, and the error underneath.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}

extension IdentityError {
    /// The kinds of refusal.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, stable across versions.
        public var description: String

        private init(_ name: String) {
            self.description = name
        }

        /// The bytes are not a key message: truncated, missing a field, or not protobuf at all.
        public static let malformedKey = Self("malformedKey")
        /// The bytes name a key, but not in the one encoding that gives the key its id.
        public static let nonCanonicalKey = Self("nonCanonicalKey")
        /// The key type is none of the four that libp2p knows.
        public static let unsupportedKeyType = Self("unsupportedKeyType")
        /// The encoding, or the key inside it, is smaller or larger than the limits allow.
        public static let keySizeOutOfRange = Self("keySizeOutOfRange")
        /// The key is well-formed but proves nothing: anyone can make signatures that it accepts.
        public static let weakKey = Self("weakKey")
        /// A private key carries a public half that is not its own.
        public static let keyPairMismatch = Self("keyPairMismatch")
        /// This build leaves the algorithm out; the message names the package trait that brings it in.
        public static let algorithmNotBuilt = Self("algorithmNotBuilt")
        /// The crypto library could not make a key.
        public static let keyGenerationFailed = Self("keyGenerationFailed")
        /// The key could not sign.
        public static let signingFailed = Self("signingFailed")

        /// The bytes are not a signed envelope or not a peer record.
        public static let malformedEnvelope = Self("malformedEnvelope")
        /// An envelope is larger than `SignedEnvelope.maximumSize`.
        public static let envelopeTooLarge = Self("envelopeTooLarge")
        /// An envelope carries another payload type than the one expected.
        public static let wrongPayloadType = Self("wrongPayloadType")
        /// A signature does not match its key, its domain or its payload.
        public static let invalidSignature = Self("invalidSignature")
        /// A peer record speaks of another peer than the one whose key signed it, or than the one expected.
        public static let wrongPeer = Self("wrongPeer")

        /// There is no key file at the path, or no directory for one.
        public static let keyFileMissing = Self("keyFileMissing")
        /// A key file exists already and was not to be replaced.
        public static let keyFileExists = Self("keyFileExists")
        /// The path leads to a directory, a pipe or another thing that is not a regular file.
        public static let keyFileNotRegular = Self("keyFileNotRegular")
        /// Others than the owner may read, write or run the key file, or may have a link to it lead elsewhere.
        public static let keyFileExposed = Self("keyFileExposed")
        /// The key file is empty.
        public static let keyFileEmpty = Self("keyFileEmpty")
        /// The key file is larger than any key.
        public static let keyFileTooLarge = Self("keyFileTooLarge")
        /// The key file holds something else than one whole key; `cause` says what is wrong with it.
        public static let keyFileDamaged = Self("keyFileDamaged")
        /// The system refused an operation on the key file; the message names it.
        public static let keyFileUnavailable = Self("keyFileUnavailable")
    }
}

extension IdentityError: Equatable {
    /// Equal when the codes are.
    public static func == (left: Self, right: Self) -> Bool {
        left.code == right.code
    }
}

extension IdentityError: CustomStringConvertible {
    /// The code and the message, with the message of the cause when there is one.
    public var description: String {
        guard let cause = self.cause else { return "\(self.code): \(self.message)" }
        return "\(self.code): \(self.message) (\(cause))"
    }
}
