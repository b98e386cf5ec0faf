package import P2PCore

/// Why bytes are no DNS message, or a message can't be written.
package typealias DNSError = CodedFailure<DNSMessage>

extension DNSError.Code {
    /// The bytes end within a field.
    package static var truncated: Self { Self("truncated") }
    /// More bytes, records or labels than a limit of ``DNSLimits`` allows; the message names it.
    package static var tooLarge: Self { Self("tooLarge") }
    /// A compression pointer that does not point back, or one of too many.
    package static var badPointer: Self { Self("badPointer") }
    /// A label of a kind that DNS does not have, an empty one, or one over 63 bytes.
    package static var badLabel: Self { Self("badLabel") }
    /// The data of a record are not what its type says.
    package static var badRecord: Self { Self("badRecord") }
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
