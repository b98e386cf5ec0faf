import Crypto
import CryptoExtras

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Seals packets with AES-128-GCM and the keys that follow from a secret (RFC 9001, section 5).
struct QUICPacketSeal {
    /// Bytes that sealing adds.
    static let tag = 16
    /// Bytes that a packet number takes; as many as there can be, so that none is ambiguous.
    static let number = 4

    private let key: SymmetricKey
    private let vector: [UInt8]
    private let mask: SymmetricKey

    init(secret: SymmetricKey) {
        self.key = Self.expand(secret, "quic key", 16)
        self.vector = Self.expand(secret, "quic iv", 12).withUnsafeBytes { Array($0) }
        self.mask = Self.expand(secret, "quic hp", 16)
    }

    /// HKDF-Expand-Label of TLS 1.3, without context.
    static func expand(_ secret: SymmetricKey, _ label: String, _ count: Int) -> SymmetricKey {
        let label = Array("tls13 \(label)".utf8)
        let info = [0, UInt8(count), UInt8(label.count)] + label + [0]
        return HKDF<SHA256>.expand(pseudoRandomKey: secret, info: info, outputByteCount: count)
    }

    /// A packet: the header as far as the packet number, the number, and the frames. Nil when the library does not seal it.
    func seal(_ frames: [UInt8], behind header: [UInt8], number: UInt32) -> [UInt8]? {
        let number = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        let header = header + number
        var nonce = self.vector
        for (index, byte) in number.enumerated() { nonce[nonce.count - number.count + index] ^= byte }
        guard let nonce = try? AES.GCM.Nonce(data: nonce),
            let box = try? AES.GCM.seal(frames, using: self.key, nonce: nonce, authenticating: header)
        else { return nil }
        return self.protect(header: header, sealed: Array(box.ciphertext) + Array(box.tag))
    }

    /// Hides the packet number (RFC 9001, section 5.4).
    private func protect(header: [UInt8], sealed: [UInt8]) -> [UInt8]? {
        var header = header
        // One block of AES in ECB mode is one of CBC with an empty vector.
        guard let vector = try? AES._CBC.IV(ivBytes: [UInt8](repeating: 0, count: 16)),
            let block = try? AES._CBC.encrypt(sealed.prefix(16), using: self.mask, iv: vector, noPadding: true)
        else { return nil }
        let bits = Array(block)
        header[0] ^= bits[0] & (header[0] & 0x80 == 0 ? 0x1f : 0x0f)
        for index in 0..<Self.number { header[header.count - Self.number + index] ^= bits[1 + index] }
        return header + sealed
    }
}
