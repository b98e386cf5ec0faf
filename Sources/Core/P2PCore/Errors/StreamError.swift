/// Why a stream could not read, write or finish.
public struct StreamError: CodedError {
    /// Why it failed: an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name of the reason, as logs and JSON show it.
        public let description: String

        /// Names a reason of your own.
        public init(_ description: String) { self.description = description }

        /// Another task is reading (or writing) at this moment; one reader and one writer at a time.
        public static let busy = Code("busy")
        /// The task that asked was cancelled; the stream itself lives on.
        public static let cancelled = Code("cancelled")
        /// The stream was reset, by the peer or by this side.
        public static let reset = Code("reset")
        /// This side has finished writing.
        public static let finished = Code("finished")
        /// This side has stopped reading.
        public static let stoppedReading = Code("stoppedReading")
        /// The connection that carried the stream ended, and the stream with it.
        public static let connectionLost = Code("connectionLost")
        /// The peer does not speak the protocol that was asked for.
        public static let protocolNotSupported = Code("protocolNotSupported")
        /// A protocol has a name that can't be negotiated, such as multistream-select's own words `na` and `ls`.
        public static let invalidProtocol = Code("invalidProtocol")
        /// Another handler serves a protocol of that name.
        public static let protocolTaken = Code("protocolTaken")
        /// The peer did not keep to multistream-select while a protocol was agreed on.
        public static let negotiationFailed = Code("negotiationFailed")
        /// A length prefix exceeds the limit that the reader set.
        public static let messageTooLarge = Code("messageTooLarge")
        /// The peer sent bytes that the protocol does not allow.
        public static let malformed = Code("malformed")
        /// The peer finished in the middle of a message.
        public static let unexpectedEnd = Code("unexpectedEnd")
        /// A limit of this node was reached; the message names it.
        public static let resourceLimit = Code("resourceLimit")
        /// The time that was given for it passed before it was done.
        public static let timedOut = Code("timedOut")
        /// The peer asks too often.
        public static let rateLimited = Code("rateLimited")
        /// Only a connection that a relay lends leads to the peer, and none of the protocols has opted in to those.
        public static let limitedConnection = Code("limitedConnection")
        /// A ``StreamGater`` of this host refused the stream.
        public static let gated = Code("gated")
    }

    /// One reference: what throws it, and every task that might, stays small.
    private final class Storage: Sendable {
        let code: Code
        let message: String
        let cause: (any Error)?
        let resetCode: StreamErrorCode?
        let unanswered: ProtocolID?

        init(code: Code, message: String, cause: (any Error)?, resetCode: StreamErrorCode?, unanswered: ProtocolID?) {
            self.code = code
            self.message = message
            self.cause = cause
            self.resetCode = resetCode
            self.unanswered = unanswered
        }
    }

    private let storage: Storage

    /// Why it failed, for programs.
    public var code: Code { self.storage.code }
    /// What was tried, where it failed and what to do, for people.
    public var message: String { self.storage.message }
    /// What lies beneath, if anything.
    public var cause: (any Error)? { self.storage.cause }
    /// The number that came with a reset, where the transport carries one.
    public var resetCode: StreamErrorCode? { self.storage.resetCode }
    /// The protocol that the peer had been asked for, where it reset the stream (`reset`) before it answered: it may not serve it. Nil otherwise.
    public var unanswered: ProtocolID? { self.storage.unanswered }

    /// An error with a code, a message for people and perhaps a cause.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil, resetCode: StreamErrorCode? = nil) {
        self.storage = Storage(code: code, message: message, cause: cause, resetCode: resetCode, unanswered: nil)
    }

    /// A reset that came in place of the answer to a proposal.
    init(_ reset: StreamError, insteadOfAgreementTo protocolID: ProtocolID) {
        self.storage = Storage(
            code: reset.code, message: "\(reset.message) before it agreed to \(protocolID)", cause: reset.cause,
            resetCode: reset.resetCode, unanswered: protocolID)
    }
}
