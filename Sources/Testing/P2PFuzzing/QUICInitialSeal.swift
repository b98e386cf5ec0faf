import Crypto
import CryptoExtras

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Seals a client's first packets with keys that follow from the connection id that it chose (RFC 9001, section 5.2).
struct QUICInitialSeal {
    /// The salt of version 1.
    private static let salt: [UInt8] = [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
    ]
    /// A client's first datagrams have at least so many bytes, and ours no more.
    private static let size = 1_200
    private static let tag = 16

    private let destination: [UInt8]
    private let key: SymmetricKey
    private let vector: [UInt8]
    private let mask: SymmetricKey
    private var number: UInt32 = 0

    init(destination: [UInt8]) {
        self.destination = destination
        let common = HKDF<SHA256>.extract(inputKeyMaterial: SymmetricKey(data: destination), salt: Self.salt)
        let secret = Self.expand(SymmetricKey(data: common), "client in", 32)
        self.key = Self.expand(secret, "quic key", 16)
        self.vector = Self.expand(secret, "quic iv", 12).withUnsafeBytes { Array($0) }
        self.mask = Self.expand(secret, "quic hp", 16)
    }

    /// HKDF-Expand-Label of TLS 1.3, without context.
    private static func expand(_ secret: SymmetricKey, _ label: String, _ count: Int) -> SymmetricKey {
        let label = Array("tls13 \(label)".utf8)
        let info = [0, UInt8(count), UInt8(label.count)] + label + [0]
        return HKDF<SHA256>.expand(pseudoRandomKey: secret, info: info, outputByteCount: count)
    }

    /// A padded Initial with these frames; what does not fit is cut. Nil when the library does not seal it.
    mutating func seal(_ frames: [UInt8]) -> [UInt8]? {
        let number = withUnsafeBytes(of: self.number.bigEndian) { Array($0) }
        self.number += 1
        // Four bytes of packet number; no source id, no token.
        var header: [UInt8] = [0xc3, 0, 0, 0, 1, UInt8(self.destination.count)] + self.destination + [0, 0]
        let room = Self.size - header.count - 2
        header += [0x40 | UInt8(room >> 8), UInt8(room & 0xff)] + number
        let payload = room - number.count - Self.tag
        let plain = Array(frames.prefix(payload)) + [UInt8](repeating: 0, count: max(0, payload - frames.count))
        var nonce = self.vector
        for (index, byte) in number.enumerated() { nonce[nonce.count - number.count + index] ^= byte }
        guard let nonce = try? AES.GCM.Nonce(data: nonce),
            let box = try? AES.GCM.seal(plain, using: self.key, nonce: nonce, authenticating: header)
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
        header[0] ^= bits[0] & 0x0f
        for index in 0..<4 { header[header.count - 4 + index] ^= bits[1 + index] }
        return header + sealed
    }
}
