import Crypto
import P2PIdentity
import P2PNoise

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The peer that signs in a fuzzing run; its key is a vector of the peer-ids spec, so that the same bytes do the same work.
enum FuzzIdentity {
    private static let seed = bytes("7e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d")
    private static let point = bytes("1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e")

    /// The protobuf message `PublicKey`.
    static let publicKeyMessage = bytes("08011220") + point
    /// The protobuf message `PrivateKey`.
    static let privateKeyMessage = bytes("08011240") + seed + point
    /// The other types' protobuf messages `PublicKey`: secp256k1, then ECDSA.
    static let otherPublicKeyMessages = [
        bytes("08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99"),
        bytes(
            "0803125b3059301306072a8648ce3d020106082a8648ce3d03010703420004de3d300fa36ae0e8f5d530899d83abab44abf3161f162a4bc901d8e6ecda020e"
                + "8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f77c409e62"),
    ]
    /// The other types' protobuf messages `PrivateKey`: secp256k1, then ECDSA.
    static let otherPrivateKeyMessages = [
        bytes("0802122053dadf1d5a164d6b4acdb15e24aa4c5b1d3461bdbd42abedb0a4404d56ced8fb"),
        bytes(
            "08031279307702010104203e5b1fe9712e6c314942a750bd67485de3c1efe85b1bfb520ae8f9ae3dfa4a4ca00a06082a8648ce3d030107a14403420004de3d"
                + "300fa36ae0e8f5d530899d83abab44abf3161f162a4bc901d8e6ecda020e8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f77c409e62"
        ),
    ]

    static let key: PublicKey = {
        guard let key = try? PublicKey(protobufEncoded: publicKeyMessage) else { preconditionFailure("the vector key is refused") }
        return key
    }()
    static let peer = PeerID(key)

    /// A signature of this peer.
    static func sign(_ message: [UInt8]) -> [UInt8] {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: self.seed),
            let signature = try? key.signature(for: message)
        else { preconditionFailure("the vector key does not sign") }
        return Array(signature)
    }

    /// Three peers, and what each has signed of itself.
    static let registrants: [(peer: PeerID, record: [UInt8])] = ([1, 2, 3] as [UInt8]).map { number in
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: [UInt8](repeating: number, count: 32)),
            let publicKey = try? PublicKey(protobufEncoded: bytes("08011220") + Array(key.publicKey.rawRepresentation))
        else { preconditionFailure("32 bytes are not an Ed25519 key") }
        let peer = PeerID(publicKey)
        let record = PeerRecord(peer: peer, sequence: 1, addresses: [[4, 127, 0, 0, 1, 6, 0x0f, 0xa1]])
        let sealed = FuzzTarget.envelope(of: record, by: publicKey.protobufEncoded) { message in
            (try? key.signature(for: message)).map { Array($0) } ?? []
        }
        return (peer, sealed)
    }

    /// An X25519 key that is the same in every run.
    static func noiseKey(_ number: UInt8) -> DiffieHellmanKey {
        guard let key = DiffieHellmanKey(privateKey: [UInt8](repeating: number, count: 32)) else {
            preconditionFailure("32 bytes are not an X25519 key")
        }
        return key
    }

    /// What this peer presents in Noise handshakes.
    static let noise: NoiseIdentity = {
        let key = noiseKey(0x77)
        return NoiseIdentity(
            staticKey: key, publicKey: publicKeyMessage, signature: sign(NoiseIdentity.signed(key.publicKey)), metadata: [1, 2, 3])
    }()

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.map { UInt8(truncatingIfNeeded: Character(Unicode.Scalar($0)).hexDigitValue ?? 0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
