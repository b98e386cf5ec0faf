import Crypto
import P2PCore

/// A key and the nonces that have been used with it (Noise spec, section 5.1).
///
/// Hands out each nonce once: sealing and opening ask for one first, so that an error on the way can't repeat it.
struct CipherState: ~Copyable {
    let cipher: RecordCipher
    private var nextNonce: UInt64

    init(key: SymmetricKey, nextNonce: UInt64 = 0) throws(NoiseError) {
        guard let cipher = RecordCipher(key: key) else {
            throw NoiseError(.libraryFailure, "the crypto library made no cipher")
        }
        self.cipher = cipher
        self.nextNonce = nextNonce
    }

    /// The next nonce, which is then spent.
    mutating func spendNonce() throws(NoiseError) -> PacketNonce {
        let nonce = self.nextNonce
        guard nonce <= NoiseLimits.lastNonce else {
            throw NoiseError(.nonceExhausted, "2^64 - 1 records have passed in one direction; the connection ends before a nonce repeats")
        }
        self.nextNonce = nonce + 1
        return PacketNonce(counter: nonce)
    }

    /// Appends the ciphertext and tag of `plaintext` to `output`.
    mutating func seal(_ plaintext: [UInt8], authenticating data: [UInt8], to output: inout [UInt8]) throws(NoiseError) {
        let nonce = try self.spendNonce()
        let cipher = self.cipher
        let start = output.count
        output.append(contentsOf: plaintext)
        output.append(contentsOf: repeatElement(0, count: NoiseLimits.tag))
        let sealed = output.withUnsafeMutableBytes { bytes in
            data.withUnsafeBytes { data in
                cipher.seal(UnsafeMutableRawBufferPointer(rebasing: bytes[start...]), nonce: nonce, authenticating: data)
            }
        }
        guard sealed else { throw NoiseError(.libraryFailure, "the crypto library could not encrypt") }
    }

    /// The plaintext of `sealed`, or nil when it doesn't authenticate.
    mutating func open(_ sealed: ArraySlice<UInt8>, authenticating data: [UInt8]) throws(NoiseError) -> [UInt8]? {
        guard sealed.count >= NoiseLimits.tag else { return nil }
        let nonce = try self.spendNonce()
        var isAuthentic = false
        let cipher = self.cipher
        let plaintext = [UInt8](unsafeUninitializedCapacity: sealed.count - NoiseLimits.tag) { output, count in
            let region = UnsafeMutableRawBufferPointer(output)
            isAuthentic = sealed.withUnsafeBytes { sealed in
                data.withUnsafeBytes { data in
                    cipher.open(
                        sealed, into: UnsafeMutableRawBufferPointer(rebasing: region.prefix(sealed.count - NoiseLimits.tag)), nonce: nonce,
                        authenticating: data)
                }
            }
            count = isAuthentic ? sealed.count - NoiseLimits.tag : 0
        }
        return isAuthentic ? plaintext : nil
    }
}
