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

    private let agreement: ByteBuffer
    private let refusal: ByteBuffer
    let protocolID: ProtocolID
    private var matched = 0
    private var isRefusing = false

    /// - Parameters:
    ///   - agreement: the bytes that accept the proposal.
    ///   - refusal: the bytes that refuse it.
    package init(of protocolID: ProtocolID, agreement: ByteBuffer, refusal: ByteBuffer) {
        self.protocolID = protocolID
        self.agreement = agreement
        self.refusal = refusal
    }

    /// Consumes the answer and leaves what comes behind it.
    package mutating func consume(_ bytes: inout ByteBuffer) -> Outcome {
        while let byte = bytes.readInteger(as: UInt8.self) {
            let isDiverging = !self.isRefusing && self.byte(of: self.agreement) != byte
            self.isRefusing = self.isRefusing || isDiverging
            if self.isRefusing, self.byte(of: self.refusal) != byte || (isDiverging && !self.isSharedSoFar) {
                return .failed(StreamError(.negotiationFailed, "the peer answered the proposal of \(self.protocolID) with something else"))
            }
            self.matched += 1
            if self.isRefusing, self.matched == self.refusal.readableBytes {
                return .failed(StreamError(.protocolNotSupported, "the peer does not speak \(self.protocolID)"))
            }
            if !self.isRefusing, self.matched == self.agreement.readableBytes { return .met }
        }
        return .more
    }

    /// Whether the bytes that matched the agreement begin the refusal too.
    private var isSharedSoFar: Bool {
        self.agreement.readableBytesView.prefix(self.matched).elementsEqual(self.refusal.readableBytesView.prefix(self.matched))
    }

    private func byte(of buffer: ByteBuffer) -> UInt8? {
        buffer.getInteger(at: buffer.readerIndex + self.matched)
    }
}
