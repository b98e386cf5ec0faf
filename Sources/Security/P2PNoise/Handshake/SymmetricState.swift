import Crypto
import P2PCore

/// The running hash, the chaining key and the cipher of a handshake (Noise spec, section 5.2).
struct SymmetricState: ~Copyable {
    /// The name of the one protocol that libp2p speaks; 32 bytes, so it is the first hash as it stands.
    static let protocolName = "Noise_XX_25519_ChaChaPoly_SHA256"

    /// The hash of all that was said so far.
    private(set) var hash: [UInt8]
    private var chainingKey: SymmetricKey
    private var cipher: CipherState?

    init(prologue: [UInt8]) {
        self.hash = [UInt8](Self.protocolName.utf8)
        self.chainingKey = SymmetricKey(data: self.hash)
        self.cipher = nil
        self.mixHash(prologue)
    }

    /// Whether messages are encrypted by now.
    var hasKey: Bool {
        switch self.cipher {
        case .none: false
        case .some: true
        }
    }

    /// Adds what was sent or received to the hash.
    mutating func mixHash(_ data: some Sequence<UInt8>) {
        var bytes = self.hash
        bytes.append(contentsOf: data)
        self.hash = [UInt8](SHA256.hash(data: bytes))
    }

    /// Adds a shared secret: a new chaining key, and a new cipher with its nonces from zero.
    mutating func mixKey(_ secret: SymmetricKey) throws(NoiseError) {
        let (chainingKey, cipherKey) = self.derive(from: secret)
        self.chainingKey = chainingKey
        self.cipher = try CipherState(key: cipherKey)
    }

    /// Appends `plaintext` to `message`, encrypted once there is a key.
    mutating func encryptAndHash(_ plaintext: [UInt8], to message: inout [UInt8]) throws(NoiseError) {
        let start = message.count
        if self.hasKey {
            try self.cipher?.seal(plaintext, authenticating: self.hash, to: &message)
        } else {
            message.append(contentsOf: plaintext)
        }
        self.mixHash(message[start...])
    }

    /// The plaintext of a part of a message; nil when it doesn't authenticate.
    mutating func decryptAndHash(_ part: ArraySlice<UInt8>) throws(NoiseError) -> [UInt8]? {
        let plaintext = self.hasKey ? try self.cipher?.open(part, authenticating: self.hash) : [UInt8](part)
        self.mixHash(part)
        return plaintext
    }

    /// The two keys of the transport: first the initiator's for sending, then the responder's.
    consuming func split() -> (initiator: SymmetricKey, responder: SymmetricKey) {
        self.derive(from: SymmetricKey(data: [UInt8]()))
    }

    /// HKDF with two outputs, by HMAC-SHA256 (Noise spec, section 4.3).
    private func derive(from material: SymmetricKey) -> (SymmetricKey, SymmetricKey) {
        let extracted = SymmetricKey(
            data: material.withUnsafeBytes { HMAC<SHA256>.authenticationCode(for: $0, using: self.chainingKey) })
        let first = HMAC<SHA256>.authenticationCode(for: [1], using: extracted)
        let second = HMAC<SHA256>.authenticationCode(for: [UInt8](first) + [2], using: extracted)
        return (SymmetricKey(data: first), SymmetricKey(data: second))
    }
}
