/// The seam to secp256k1, which only builds with the package trait `OpenSSL` have.
enum Secp256k1 {
    /// A compressed point (SEC 1, 2.3.3), in bytes.
    static let publicKeySize = 33

    /// A scalar, in bytes.
    static let privateKeySize = 32

    #if OpenSSL
        static func publicKey(encoded: [UInt8]) throws(IdentityError) -> any VerifyingKey {
            try Secp256k1PublicKey(encoded: encoded)
        }

        static func privateKey(encoded: [UInt8]) throws(IdentityError) -> any SigningKey {
            try Secp256k1PrivateKey(encoded: encoded)
        }

        static func generate() throws(IdentityError) -> any SigningKey {
            try Secp256k1PrivateKey.generate()
        }
    #else
        static func publicKey(encoded: [UInt8]) throws(IdentityError) -> any VerifyingKey {
            throw Self.notBuilt
        }

        static func privateKey(encoded: [UInt8]) throws(IdentityError) -> any SigningKey {
            throw Self.notBuilt
        }

        static func generate() throws(IdentityError) -> any SigningKey {
            throw Self.notBuilt
        }

        private static let notBuilt = IdentityError(.algorithmNotBuilt, "secp256k1 needs libcrypto: build with the package trait OpenSSL")
    #endif
}
