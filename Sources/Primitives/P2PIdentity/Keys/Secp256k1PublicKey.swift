#if OpenSSL
    import CLibcrypto

    /// A secp256k1 public key: the compressed point (peer-ids spec, "Secp256k1").
    ///
    /// The pointer is set once and only read afterwards, and libcrypto lets threads share a key that nobody changes.
    final class Secp256k1PublicKey: VerifyingKey, @unchecked Sendable {
        let encoded: [UInt8]
        private let key: OpaquePointer

        init(encoded: [UInt8]) throws(IdentityError) {
            guard encoded.count == Secp256k1.publicKeySize else {
                throw IdentityError(.malformedKey, "a secp256k1 public key of \(encoded.count) bytes instead of \(Secp256k1.publicKeySize)")
            }
            guard encoded[0] == 0x02 || encoded[0] == 0x03 else {
                throw IdentityError(.nonCanonicalKey, "a secp256k1 public key that is not a compressed point")
            }
            guard let key = Secp256k1.keyObject(point: encoded, scalar: nil) else {
                throw IdentityError(.malformedKey, "a secp256k1 public key that is not on the curve")
            }
            self.key = key
            self.encoded = encoded
        }

        deinit {
            EVP_PKEY_free(self.key)
        }

        /// Accepts both values of s that fit a message, because the spec forbids neither and signers on the network differ; the DER must be strict.
        func isValidSignature(_ signature: [UInt8], for message: [UInt8]) -> Bool {
            guard let context = EVP_MD_CTX_new() else { return false }
            defer {
                EVP_MD_CTX_free(context)
                ERR_clear_error()
            }
            guard EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, self.key) == 1 else { return false }
            return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        }
    }
#endif
