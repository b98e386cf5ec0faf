/// A code of the multicodec table: what the bytes after it are.
public struct Multicodec: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number on the wire, at most 2^63 - 1.
    public let rawValue: UInt64

    /// Any number is a code, known here or not.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The table's name where it is known here, else the number in hexadecimal.
    public var description: String { Self.names[self] ?? "0x" + String(self.rawValue, radix: 16) }

    /// Hash function: the bytes themselves.
    public static let identity = Multicodec(rawValue: 0x00)
    /// CID version 1.
    public static let cidv1 = Multicodec(rawValue: 0x01)
    /// Hash function: SHA-1, 20 bytes.
    public static let sha1 = Multicodec(rawValue: 0x11)
    /// Hash function: SHA-256, 32 bytes.
    public static let sha2_256 = Multicodec(rawValue: 0x12)
    /// Hash function: SHA-512, 64 bytes.
    public static let sha2_512 = Multicodec(rawValue: 0x13)
    /// Hash function: SHA3-512, 64 bytes.
    public static let sha3_512 = Multicodec(rawValue: 0x14)
    /// Hash function: SHA3-384, 48 bytes.
    public static let sha3_384 = Multicodec(rawValue: 0x15)
    /// Hash function: SHA3-256, 32 bytes.
    public static let sha3_256 = Multicodec(rawValue: 0x16)
    /// Hash function: SHA3-224, 28 bytes.
    public static let sha3_224 = Multicodec(rawValue: 0x17)
    /// Content: raw bytes.
    public static let raw = Multicodec(rawValue: 0x55)
    /// Content: a libp2p public key, hence a peer id.
    public static let libp2pKey = Multicodec(rawValue: 0x72)
    /// Key: secp256k1, compressed.
    public static let secp256k1Public = Multicodec(rawValue: 0xe7)
    /// Key: Ed25519.
    public static let ed25519Public = Multicodec(rawValue: 0xed)
    /// Content: a libp2p peer record.
    public static let libp2pPeerRecord = Multicodec(rawValue: 0x0301)
    /// Content: a libp2p relay reservation voucher.
    public static let libp2pRelayReservation = Multicodec(rawValue: 0x0302)
    /// Key: P-256, compressed.
    public static let p256Public = Multicodec(rawValue: 0x1200)
    /// Key: RSA, as ASN.1 DER.
    public static let rsaPublic = Multicodec(rawValue: 0x1205)

    private static let names: [Multicodec: String] = [
        .identity: "identity", .cidv1: "cidv1", .sha1: "sha1", .sha2_256: "sha2-256", .sha2_512: "sha2-512",
        .sha3_512: "sha3-512", .sha3_384: "sha3-384", .sha3_256: "sha3-256", .sha3_224: "sha3-224", .raw: "raw",
        .libp2pKey: "libp2p-key", .secp256k1Public: "secp256k1-pub", .ed25519Public: "ed25519-pub",
        .libp2pPeerRecord: "libp2p-peer-record", .libp2pRelayReservation: "libp2p-relay-rsvp", .p256Public: "p256-pub",
        .rsaPublic: "rsa-pub",
    ]
}
