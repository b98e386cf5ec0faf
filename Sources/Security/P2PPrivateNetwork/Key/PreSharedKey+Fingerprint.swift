public import P2PCore
import P2PMultiformats

extension PreSharedKey {
    /// Bytes of a fingerprint.
    static let fingerprintSize = 16

    /// What tells networks apart without giving the key away: 32 hexadecimal digits, the same that go's nodes print.
    ///
    /// It is a hash over key stream, not over the key, so that nobody who reverses the hash has the key.
    ///
    /// - Throws: `.notBuiltIn` in a build without the package trait `Sodium`.
    public func fingerprint() throws(PrivateNetworkError) -> String {
        let stream = try KeyStream.salsa20(key: self, nonce: Array("finprint".utf8), count: 64)
        return Base16.encode(SHAKE128.hash(stream, count: Self.fingerprintSize))
    }
}
