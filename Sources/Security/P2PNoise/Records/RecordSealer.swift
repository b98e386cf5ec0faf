import NIOCore
import P2PCore

/// Seals the records of one direction where they lie.
struct RecordSealer: ~Copyable {
    private var state: CipherState

    init(state: consuming CipherState) {
        self.state = state
    }

    /// Turns plaintext into the record that goes on the wire, length and tag included.
    ///
    /// In place when the buffer has 2 bytes free before and 16 behind its readable ones and isn't shared; else by a copy.
    mutating func seal(_ record: inout ByteBuffer) throws(NoiseError) {
        let count = record.readableBytes
        guard count <= NoiseLimits.maximumPlaintext else {
            throw NoiseError(.messageTooLong, "a record of \(count) bytes exceeds \(NoiseLimits.maximumPlaintext)")
        }
        if record.readerIndex < NoiseLimits.prefix || record.writableBytes < NoiseLimits.tag {
            record = Self.copy(of: &record)
        }
        let nonce = try self.state.spendNonce()
        record.moveReaderIndex(to: record.readerIndex - NoiseLimits.prefix)
        record.setInteger(UInt16(truncatingIfNeeded: count + NoiseLimits.tag), at: record.readerIndex)
        record.moveWriterIndex(forwardBy: NoiseLimits.tag)
        let cipher = self.state.cipher
        let isSealed = record.withUnsafeMutableReadableBytes { bytes in
            cipher.seal(
                UnsafeMutableRawBufferPointer(rebasing: bytes.dropFirst(NoiseLimits.prefix)), nonce: nonce,
                authenticating: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        guard isSealed else { throw NoiseError(.libraryFailure, "the crypto library could not encrypt") }
    }

    /// The readable bytes in a buffer of their own, with the room that sealing needs.
    static func copy(of plaintext: inout ByteBuffer) -> ByteBuffer {
        var record = ByteBufferAllocator().buffer(capacity: NoiseLimits.prefix + plaintext.readableBytes + NoiseLimits.tag)
        record.moveWriterIndex(to: NoiseLimits.prefix)
        record.moveReaderIndex(to: NoiseLimits.prefix)
        record.writeBuffer(&plaintext)
        return record
    }
}
