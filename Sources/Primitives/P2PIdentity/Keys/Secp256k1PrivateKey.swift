#if OpenSSL
    import CLibcrypto

    /// A secp256k1 private key: the scalar, big-endian (peer-ids spec, "Secp256k1").
    ///
    /// The pointer is set once and only read afterwards, and libcrypto lets threads share a key that nobody changes.
    final class Secp256k1PrivateKey: SigningKey, @unchecked Sendable {
        let encoded: [UInt8]
        let publicKey: Secp256k1PublicKey
        var verifyingKey: any VerifyingKey { self.publicKey }
        private let key: OpaquePointer

        /// Makes a new key: a scalar drawn evenly from 1 to the order less 1.
        static func generate() throws(IdentityError) -> Secp256k1PrivateKey {
            var random = SystemRandomNumberGenerator()
            var scalar: [UInt8]
            repeat {
                scalar = (0..<Secp256k1.privateKeySize).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            } while !Self.isInRange(scalar)
            return try Secp256k1PrivateKey(encoded: scalar)
        }

        init(encoded: [UInt8]) throws(IdentityError) {
            guard encoded.count == Secp256k1.privateKeySize else {
                throw IdentityError(
                    .malformedKey, "a secp256k1 private key of \(encoded.count) bytes instead of \(Secp256k1.privateKeySize)")
            }
            guard Self.isInRange(encoded) else {
                throw IdentityError(.malformedKey, "a secp256k1 private key that is zero or not below the order of the curve")
            }
            guard let scalar = BN_bin2bn(encoded, CInt(encoded.count), nil) else {
                throw IdentityError(.keyGenerationFailed, "libcrypto has no memory for a secp256k1 scalar")
            }
            defer { BN_clear_free(scalar) }
            BN_set_flags(scalar, BN_FLG_CONSTTIME)
            guard let point = Self.publicPoint(of: scalar) else {
                throw IdentityError(.keyGenerationFailed, "libcrypto could not compute the public half of a secp256k1 key")
            }
            self.publicKey = try Secp256k1PublicKey(encoded: point)
            guard let key = Secp256k1.keyObject(point: point, scalar: scalar) else {
                throw IdentityError(.keyGenerationFailed, "libcrypto refuses a secp256k1 private key")
            }
            self.key = key
            self.encoded = encoded
        }

        deinit {
            EVP_PKEY_free(self.key)
        }

        /// Signs over SHA-256 and picks the lower of the two values of s, which every implementation accepts.
        func signature(for message: [UInt8]) throws(IdentityError) -> [UInt8] {
            guard let signature = self.derSignature(for: message).flatMap(Self.withLowS) else {
                ERR_clear_error()
                throw IdentityError(.signingFailed, "libcrypto could not sign \(message.count) bytes with secp256k1")
            }
            return signature
        }
    }

    extension Secp256k1PrivateKey {
        private func derSignature(for message: [UInt8]) -> [UInt8]? {
            guard let context = EVP_MD_CTX_new() else { return nil }
            defer { EVP_MD_CTX_free(context) }
            guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, self.key) == 1 else { return nil }
            var signature = [UInt8](repeating: 0, count: Self.largestSignature)
            var count = signature.count
            guard EVP_DigestSign(context, &signature, &count, message, message.count) == 1 else { return nil }
            return Array(signature.prefix(count))
        }

        private static func withLowS(_ der: [UInt8]) -> [UInt8]? {
            let parsed = der.withUnsafeBufferPointer { bytes in
                var cursor = bytes.baseAddress
                return d2i_ECDSA_SIG(nil, &cursor, bytes.count)
            }
            guard let parsed else { return nil }
            defer { ECDSA_SIG_free(parsed) }
            var s = [UInt8](repeating: 0, count: Secp256k1.privateKeySize)
            guard BN_bn2binpad(ECDSA_SIG_get0_s(parsed), &s, CInt(s.count)) == CInt(s.count) else { return nil }
            guard Self.halfOrder.lexicographicallyPrecedes(s) else { return der }
            guard
                let order = BN_bin2bn(Self.order, CInt(Self.order.count), nil),
                let r = BN_dup(ECDSA_SIG_get0_r(parsed))
            else { return nil }
            guard BN_sub(order, order, ECDSA_SIG_get0_s(parsed)) == 1, ECDSA_SIG_set0(parsed, r, order) == 1 else {
                BN_free(order)
                BN_free(r)
                return nil
            }
            var lowered = [UInt8](repeating: 0, count: Self.largestSignature)
            let count = lowered.withUnsafeMutableBufferPointer { bytes in
                var cursor = bytes.baseAddress
                return i2d_ECDSA_SIG(parsed, &cursor)
            }
            return count > 0 ? Array(lowered.prefix(Int(count))) : nil
        }

        private static func publicPoint(of scalar: OpaquePointer) -> [UInt8]? {
            guard let group = EC_GROUP_new_by_curve_name(NID_secp256k1) else { return nil }
            defer { EC_GROUP_free(group) }
            guard let point = EC_POINT_new(group) else { return nil }
            defer { EC_POINT_free(point) }
            guard EC_POINT_mul(group, point, scalar, nil, nil, nil) == 1 else { return nil }
            var encoded = [UInt8](repeating: 0, count: Secp256k1.publicKeySize)
            let count = EC_POINT_point2oct(group, point, POINT_CONVERSION_COMPRESSED, &encoded, encoded.count, nil)
            return count == encoded.count ? encoded : nil
        }

        private static func isInRange(_ scalar: [UInt8]) -> Bool {
            scalar.contains { $0 != 0 } && scalar.lexicographicallyPrecedes(Self.order)
        }

        /// Two 33-byte INTEGERs in a SEQUENCE.
        private static let largestSignature = 72

        /// The order n of the base point (SEC 2, 2.4.1), big-endian.
        private static let order: [UInt8] =
            [UInt8](repeating: 0xFF, count: 15) + [
                0xFE, 0xBA, 0xAE, 0xDC, 0xE6, 0xAF, 0x48, 0xA0, 0x3B, 0xBF, 0xD2, 0x5E, 0x8C, 0xD0, 0x36, 0x41, 0x41,
            ]

        /// n / 2, rounded down.
        private static let halfOrder: [UInt8] =
            [0x7F] + [UInt8](repeating: 0xFF, count: 15) + [
                0x5D, 0x57, 0x6E, 0x73, 0x57, 0xA4, 0x50, 0x1D, 0xDF, 0xE9, 0x2F, 0x46, 0x68, 0x1B, 0x20, 0xA0,
            ]
    }
#endif
