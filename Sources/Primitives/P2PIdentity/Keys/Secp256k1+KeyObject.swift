#if OpenSSL
    import CLibcrypto

    extension Secp256k1 {
        /// Makes libcrypto's object for a key, which the caller frees; nil when the numbers are not a key on the curve.
        ///
        /// - Parameters:
        ///   - point: The public half.
        ///   - scalar: The private half, a borrowed BIGNUM, for a key that signs.
        static func keyObject(point: [UInt8], scalar: OpaquePointer?) -> OpaquePointer? {
            let builder = OSSL_PARAM_BLD_new()
            let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil)
            defer {
                EVP_PKEY_CTX_free(context)
                OSSL_PARAM_BLD_free(builder)
                ERR_clear_error()
            }
            guard let builder, let context else { return nil }
            return point.withUnsafeBufferPointer { point in
                // The builder keeps these pointers until OSSL_PARAM_BLD_to_param copies what they point at.
                guard
                    OSSL_PARAM_BLD_push_utf8_string(builder, Self.constant("group"), Self.constant("secp256k1"), 0) == 1,
                    OSSL_PARAM_BLD_push_octet_string(builder, Self.constant("pub"), point.baseAddress, point.count) == 1,
                    scalar.map({ OSSL_PARAM_BLD_push_BN(builder, Self.constant("priv"), $0) }) ?? 1 == 1,
                    let parameters = OSSL_PARAM_BLD_to_param(builder)
                else { return nil }
                defer { OSSL_PARAM_free(parameters) }
                let publicHalf = OSSL_KEYMGMT_SELECT_ALL_PARAMETERS | OSSL_KEYMGMT_SELECT_PUBLIC_KEY
                let selection = scalar == nil ? publicHalf : publicHalf | OSSL_KEYMGMT_SELECT_PRIVATE_KEY
                var key: OpaquePointer?
                guard EVP_PKEY_fromdata_init(context) == 1, EVP_PKEY_fromdata(context, &key, selection, parameters) == 1 else {
                    EVP_PKEY_free(key)
                    return nil
                }
                return key
            }
        }

        /// A C string that lives for ever: parameters keep the pointers to their names, so that a passing conversion would dangle.
        private static func constant(_ text: StaticString) -> UnsafePointer<CChar> {
            UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
        }
    }
#endif
