import Crypto

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// ChaCha20-Poly1305 by swift-crypto, for platforms without libcrypto.
///
/// It knows whole records only and returns fresh memory, so pieces of ciphertext are gathered in the output first.
final class PortableCipher: PacketCipher {
    private let key: SymmetricKey
    private var opening: (nonce: PacketNonce, data: [UInt8])?

    init?(key: SymmetricKey) {
        guard key.bitCount == 256 else { return nil }
        self.key = key
    }

    func seal(_ region: UnsafeMutableRawBufferPointer, nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer) -> Bool {
        guard region.count >= NoiseLimits.tag else { return false }
        let text = UnsafeMutableRawBufferPointer(rebasing: region.dropLast(NoiseLimits.tag))
        let end = UnsafeMutableRawBufferPointer(rebasing: region.suffix(NoiseLimits.tag))
        do {
            let box = try ChaChaPoly.seal(
                UnsafeRawBufferPointer(text), using: self.key, nonce: Self.nonce(nonce), authenticating: data)
            box.ciphertext.copyBytes(to: text)
            box.tag.copyBytes(to: end)
            return true
        } catch {
            return false
        }
    }

    func beginOpening(nonce: PacketNonce, authenticating data: UnsafeRawBufferPointer) -> Bool {
        self.opening = (nonce, [UInt8](data))
        return true
    }

    func advance(_ piece: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        guard output.count >= piece.count else { return false }
        output.copyMemory(from: piece)
        return true
    }

    func finishOpening(_ output: UnsafeMutableRawBufferPointer, tag: UnsafeRawBufferPointer) -> Bool {
        guard let opening = self.opening else { return false }
        self.opening = nil
        do {
            let box = try ChaChaPoly.SealedBox(
                nonce: Self.nonce(opening.nonce), ciphertext: UnsafeRawBufferPointer(output), tag: tag)
            let plaintext = try ChaChaPoly.open(box, using: self.key, authenticating: opening.data)
            plaintext.copyBytes(to: output)
            return true
        } catch {
            return false
        }
    }

    private static func nonce(_ nonce: PacketNonce) throws -> ChaChaPoly.Nonce {
        try nonce.withUnsafeBytes { bytes in try ChaChaPoly.Nonce(data: bytes) }
    }
}
