package import P2PCore

/// Why two sides did not agree on a protocol.
package typealias NegotiationError = CodedFailure<Negotiation>

extension NegotiationError.Code {
    /// The peer refused every proposal.
    package static var noCommonProtocol: Self { Self("noCommonProtocol") }
    /// The peer does not speak multistream-select 1.0, or broke its framing.
    package static var malformed: Self { Self("malformed") }
    /// A message is longer than the limit.
    package static var messageTooLong: Self { Self("messageTooLong") }
    /// The peer went on proposing, or asking for lists, beyond the limit.
    package static var tooManyMessages: Self { Self("tooManyMessages") }
    /// The peer answered with something that was not proposed.
    package static var unexpectedAnswer: Self { Self("unexpectedAnswer") }
    /// A name of ours can't be negotiated: it is one of multistream-select's own words, or no name at all.
    package static var invalidName: Self { Self("invalidName") }
    /// The peer finished before there was agreement.
    package static var unexpectedEnd: Self { Self("unexpectedEnd") }
}
