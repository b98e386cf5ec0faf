package import NIOCore

/// The one answer that a dialer of a stream still waits for, having sent its only proposal along with its first bytes.
///
/// With a single proposal the answer is known beforehand, byte for byte: the header and the echo of the protocol's name,
/// or the header and `na` (multistream-select 1.0).
package struct LazyExpectation {
    package enum Outcome {
        case more
        case met
        case failed(StreamError)
    }

    /// What does not change from stream to stream: shared, so that a stream has a word of it.
    private final class Answers: Sendable {
        let agreement: ByteBuffer
        let refusal: ByteBuffer
        let protocolID: ProtocolID
        /// Bytes with which both begin.
        let shared: Int

        init(_ protocolID: ProtocolID, agreement: ByteBuffer, refusal: ByteBuffer) {
            (self.protocolID, self.agreement, self.refusal) = (protocolID, agreement, refusal)
            self.shared = LazyExpectation.commonLength(agreement, refusal, from: 0)
        }
    }

    private let answers: Answers
    private var matched: Int32 = 0
    private var isRefusing = false

    var protocolID: ProtocolID { self.answers.protocolID }

    /// - Parameters:
    ///   - agreement: the bytes that accept the proposal.
    ///   - refusal: the bytes that refuse it.
    package init(of protocolID: ProtocolID, agreement: ByteBuffer, refusal: ByteBuffer) {
        self.answers = Answers(protocolID, agreement: agreement, refusal: refusal)
    }

    /// Consumes the answer and leaves what comes behind it.
    package mutating func consume(_ bytes: inout ByteBuffer) -> Outcome {
        if !self.isRefusing {
            if self.match(&bytes, self.answers.agreement) { return .met }
            if bytes.readableBytes == 0 { return .more }
            // Where they part, a refusal may go on.
            self.isRefusing = self.matched <= self.answers.shared
        }
        if self.isRefusing, self.match(&bytes, self.answers.refusal) {
            return .failed(StreamError(.protocolNotSupported, "the peer does not speak \(self.protocolID)"))
        }
        if self.isRefusing, bytes.readableBytes == 0 { return .more }
        return .failed(StreamError(.negotiationFailed, "the peer answered the proposal of \(self.protocolID) with something else"))
    }

    /// How many bytes are those that an answer has from a place on.
    private static func commonLength(_ bytes: ByteBuffer, _ answer: ByteBuffer, from place: Int) -> Int {
        bytes.withUnsafeReadableBytes { bytes in
            answer.withUnsafeReadableBytes { answer in
                let most = min(bytes.count, answer.count - place)
                var count = 0
                while count < most, bytes[count] == answer[place + count] { count += 1 }
                return count
            }
        }
    }

    /// Consumes as much of an answer as has come; whether all of it has.
    private mutating func match(_ bytes: inout ByteBuffer, _ answer: ByteBuffer) -> Bool {
        let count = Self.commonLength(bytes, answer, from: Int(self.matched))
        bytes.moveReaderIndex(forwardBy: count)
        self.matched += Int32(count)
        return self.matched == answer.readableBytes
    }
}
