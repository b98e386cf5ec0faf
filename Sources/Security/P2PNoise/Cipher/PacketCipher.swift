import Crypto

/// ChaCha20-Poly1305 under one key: the seam between the records and the crypto library.
///
/// Opening is a stream of pieces, because a large
/// record spans several reads of a socket and would otherwise be gathered first.
/// The functions return false, and never trap, when the library fails or the tag doesn't fit.
protocol PacketCipher: AnyObject {
    /// A cipher under `key`, which must have 32 bytes; nil when the library is out of memory.
    init?(key: SymmetricKey)

    /// Encrypts all of `region` but its last 16 bytes in place, and writes the tag into those.
    func seal(_ region: UnsafeMutableRawBufferPointer, nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer) -> Bool

    /// Begins to open a record; what was begun and not finished is dropped.
    func beginOpening(nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer) -> Bool

    /// Takes the next piece of ciphertext and fills as many bytes of `output`, which must not overlap it.
    ///
    /// What is in `output` is neither plaintext nor to be looked at until ``finishOpening(_:tag:)`` says so.
    func advance(_ piece: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool

    /// Ends the record: true when `tag` fits, and `output`, all that ``advance(_:into:)`` filled, is the plaintext.
    func finishOpening(_ output: UnsafeMutableRawBufferPointer, tag: UnsafeRawBufferPointer) -> Bool
}

extension PacketCipher {
    /// Opens a whole record, ciphertext and tag, into `output`, which is 16 bytes shorter.
    func open(
        _ sealed: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, nonce: PacketNonce,
        authenticating data: UnsafeRawBufferPointer
    ) -> Bool {
        guard sealed.count >= NoiseLimits.tag, output.count == sealed.count - NoiseLimits.tag else { return false }
        let ciphertext = UnsafeRawBufferPointer(rebasing: sealed.prefix(output.count))
        let tag = UnsafeRawBufferPointer(rebasing: sealed.suffix(NoiseLimits.tag))
        return self.beginOpening(nonce: nonce, authenticating: data)
            && self.advance(ciphertext, into: output)
            && self.finishOpening(output, tag: tag)
    }
}

#if OpenSSL
    /// The cipher that records are sealed with in this build.
    typealias RecordCipher = LibcryptoCipher
#else
    /// The cipher that records are sealed with in this build.
    typealias RecordCipher = PortableCipher
#endif
