#if OpenSSL
    import CLibcrypto
    import Crypto

    /// ChaCha20-Poly1305 by libcrypto: in place, without an allocation a record.
    ///
    /// The context keeps the key; a record sets only the nonce.
    final class LibcryptoCipher: PacketCipher {
        private let context: OpaquePointer

        /// Fetched once: the look-up by name takes a lock and longer than a small record.
        nonisolated(unsafe) private static let algorithm: OpaquePointer? = EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil)

        init?(key: SymmetricKey) {
            guard let algorithm = Self.algorithm, let context = EVP_CIPHER_CTX_new() else { return nil }
            self.context = context
            let keyed = key.withUnsafeBytes { bytes in
                bytes.count == 32 && EVP_CipherInit_ex(context, algorithm, nil, bytes.baseAddress, nil, 1) == 1
            }
            guard keyed else { return nil }
        }

        deinit {
            EVP_CIPHER_CTX_free(self.context)
        }

        func seal(_ region: UnsafeMutableRawBufferPointer, nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer) -> Bool {
            let length = region.count - NoiseLimits.tag
            guard length >= 0, let start = region.baseAddress else { return false }
            let text = UnsafeMutableRawBufferPointer(start: start, count: length)
            var written: Int32 = 0
            return self.begin(nonce: nonce, authenticating: data, encrypting: true)
                && self.update(UnsafeRawBufferPointer(text), into: text.baseAddress)
                && EVP_CipherFinal_ex(self.context, Self.bytes(start + length), &written) == 1
                && EVP_CIPHER_CTX_ctrl(self.context, EVP_CTRL_AEAD_GET_TAG, Int32(NoiseLimits.tag), start + length) == 1
        }

        func beginOpening(nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer) -> Bool {
            self.begin(nonce: nonce, authenticating: data, encrypting: false)
        }

        func advance(_ piece: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
            output.count >= piece.count && self.update(piece, into: output.baseAddress)
        }

        func finishOpening(_ output: UnsafeMutableRawBufferPointer, tag: UnsafeRawBufferPointer) -> Bool {
            guard tag.count == NoiseLimits.tag, let start = tag.baseAddress else { return false }
            var written: Int32 = 0
            var none: UInt8 = 0
            return EVP_CIPHER_CTX_ctrl(self.context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), UnsafeMutableRawPointer(mutating: start)) == 1
                && EVP_CipherFinal_ex(self.context, &none, &written) == 1
        }

        private func begin(nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer, encrypting: Bool) -> Bool {
            nonce.withUnsafeBytes { bytes in
                EVP_CipherInit_ex(self.context, nil, nil, nil, Self.bytes(bytes.baseAddress), encrypting ? 1 : 0) == 1
            } && self.update(data, into: nil)
        }

        /// Feeds text, or with no `output` the data that is only authenticated.
        private func update(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer?) -> Bool {
            guard !input.isEmpty else { return true }
            guard let length = Int32(exactly: input.count) else { return false }
            var written: Int32 = 0
            return EVP_CipherUpdate(self.context, Self.bytes(output), &written, Self.bytes(input.baseAddress), length) == 1
                && written == length
        }

        private static func bytes(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<UInt8>? {
            pointer?.assumingMemoryBound(to: UInt8.self)
        }

        private static func bytes(_ pointer: UnsafeRawPointer?) -> UnsafePointer<UInt8>? {
            pointer?.assumingMemoryBound(to: UInt8.self)
        }
    }
#endif
