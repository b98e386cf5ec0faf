import P2PCore

/// Why bytes are no DNS message, or a message can't be written.
package struct DNSError: CodedError {
    /// Why: an open set.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        package let description: String

        package init(_ description: String) { self.description = description }

        /// The bytes end within a field.
        package static let truncated = Code("truncated")
        /// More bytes, records or labels than a limit of ``DNSLimits`` allows; the message names it.
        package static let tooLarge = Code("tooLarge")
        /// A compression pointer that does not point back, or one of too many.
        package static let badPointer = Code("badPointer")
        /// A label of a kind that DNS does not have, an empty one, or one over 63 bytes.
        package static let badLabel = Code("badLabel")
        /// The data of a record are not what its type says.
        package static let badRecord = Code("badRecord")
    }

    package let code: Code
    package let message: String
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
        self.cause = nil
    }
}

/// Bounds of the codec.
package enum DNSLimits {
    /// A message, in bytes: what a jumbo frame carries (RFC 6762, section 17).
    package static let message = 9_000
    /// Questions and records of one message together.
    package static let records = 512
    /// A name on the wire, lengths and the root included, in bytes (RFC 1035, section 2.3.4).
    package static let name = 255
    /// A label, in bytes.
    package static let label = 63
    /// A string of a TXT record, in bytes.
    package static let string = 255
    /// Compression pointers within one name: one for each label that it can have. Each must point back, so there are no loops.
    package static let pointers = 128
}
