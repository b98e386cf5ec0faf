import NIOCore
import P2PCore
import P2PPipeline

/// Opens the records of one direction, as their bytes arrive.
///
/// A piece of ciphertext is deciphered as soon as it is there, straight into the record's own buffer;
/// nothing is given out before the tag has arrived and fits. Between records it holds no buffer, and of a record one of
/// 2 KiB, or with room for twice what has arrived at most.
struct RecordOpener: ~Copyable {
    private var state: CipherState
    private let pool: RecordPool
    private var prefix = LengthPrefix()
    /// The record that is being opened; nil between records.
    private var body: Body?
    /// What was deciphered of it.
    private var plaintext = ByteBuffer()

    private struct Body {
        let length: Int
        var ciphertextLeft: Int
        var tag: (UInt64, UInt64) = (0, 0)
        var tagCount = 0

        init(length: Int) {
            self.length = length
            self.ciphertextLeft = length - NoiseLimits.tag
        }
    }

    init(state: consuming CipherState, pool: RecordPool = RecordPool()) {
        self.state = state
        self.pool = pool
    }

    /// Where in a record the input ended, for people; nil between records.
    var position: String? {
        guard let body = self.body else { return self.prefix.isPartial ? "within the length of a record" : nil }
        let received = body.length - body.ciphertextLeft - NoiseLimits.tag + body.tagCount
        return "after \(received) of \(body.length) bytes of a record"
    }

    /// Bytes of memory that the record takes that is being opened; zero between records.
    var partialRecord: Int { self.body == nil ? 0 : self.plaintext.storageCapacity }

    /// Takes what it needs of `input`: the next record's plaintext, or nil when there isn't all of it.
    ///
    /// Records without plaintext are legal and say nothing; they are checked and passed over.
    mutating func next(from input: inout ByteBuffer) throws(NoiseError) -> ByteBuffer? {
        while true {
            if self.body == nil {
                guard let length = self.prefix.read(from: &input) else { return nil }
                try self.begin(length, with: input.readableBytes)
            }
            guard try self.advance(&input) else { return nil }
            if self.plaintext.readableBytes > 0 {
                let record = self.plaintext
                self.plaintext = ByteBuffer()
                return record
            }
        }
    }

    /// - Parameter available: bytes that have arrived behind the length.
    private mutating func begin(_ length: Int, with available: Int) throws(NoiseError) {
        guard length >= NoiseLimits.tag else {
            throw NoiseError(.messageTooShort, "a record of \(length) bytes has no room for its tag of \(NoiseLimits.tag)")
        }
        let nonce = try self.state.spendNonce()
        guard self.state.cipher.beginOpening(nonce: nonce, authenticating: UnsafeRawBufferPointer(start: nil, count: 0)) else {
            throw Self.libraryFailure
        }
        let body = Body(length: length)
        // It grows with what arrives: a peer that announces much and sends nothing takes little, and of a relay's busy
        // connections most are in the middle of a record.
        let arrived = min(body.ciphertextLeft, max(available, RecordPool.smallCapacity))
        if arrived > 0 { self.plaintext = self.pool.take(capacity: arrived) }
        self.body = body
    }

    /// Goes on with the record at hand; true when it is complete and authentic.
    private mutating func advance(_ input: inout ByteBuffer) throws(NoiseError) -> Bool {
        guard var body = self.body else { return false }
        if body.ciphertextLeft > 0 {
            let count = min(body.ciphertextLeft, input.readableBytes)
            guard count > 0 else { return false }
            self.makeRoom(for: count, upTo: body.length - NoiseLimits.tag)
            try self.decipher(count, of: &input)
            body.ciphertextLeft -= count
        }
        if body.ciphertextLeft == 0 {
            let count = min(NoiseLimits.tag - body.tagCount, input.readableBytes)
            input.readWithUnsafeReadableBytes { bytes in
                withUnsafeMutableBytes(of: &body.tag) { tag in
                    tag[body.tagCount...].copyBytes(from: bytes.prefix(count))
                }
                return count
            }
            body.tagCount += count
        }
        guard body.tagCount == NoiseLimits.tag else {
            self.body = body
            return false
        }
        try self.finish(body)
        self.body = nil
        return true
    }

    /// Has room for so many bytes more, in a buffer of the pool's.
    private mutating func makeRoom(for count: Int, upTo size: Int) {
        let held = self.plaintext.readableBytes
        guard self.plaintext.writableBytes < count else { return }
        var larger = self.pool.take(capacity: min(size, max(held + count, 2 * held)))
        larger.writeImmutableBuffer(self.plaintext)
        self.pool.recycle(self.plaintext)
        self.plaintext = larger
    }

    private mutating func decipher(_ count: Int, of input: inout ByteBuffer) throws(NoiseError) {
        let cipher = self.state.cipher
        var isDeciphered = false
        input.readWithUnsafeReadableBytes { bytes in
            let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(count))
            self.plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { output in
                isDeciphered = cipher.advance(piece, into: UnsafeMutableRawBufferPointer(rebasing: output.prefix(count)))
                return count
            }
            return count
        }
        guard isDeciphered else { throw Self.libraryFailure }
    }

    private mutating func finish(_ body: Body) throws(NoiseError) {
        let cipher = self.state.cipher
        let isAuthentic = withUnsafeBytes(of: body.tag) { tag in
            self.plaintext.withUnsafeMutableReadableBytes { cipher.finishOpening($0, tag: tag) }
        }
        guard isAuthentic else {
            self.plaintext = ByteBuffer()
            throw NoiseError(.authenticationFailed, "a record of \(body.length) bytes does not authenticate")
        }
    }

    private static let libraryFailure = NoiseError(.libraryFailure, "the crypto library could not decrypt")
}
