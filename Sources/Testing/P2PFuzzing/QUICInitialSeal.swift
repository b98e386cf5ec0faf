import Crypto

/// Seals a client's first packets with keys that follow from the connection id that it chose (RFC 9001, section 5.2).
struct QUICInitialSeal {
    /// The salt of version 1.
    private static let salt: [UInt8] = [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
    ]
    /// A client's first datagrams have at least so many bytes, and ours no more.
    private static let size = 1_200

    private let destination: [UInt8]
    private let seal: QUICPacketSeal
    private var number: UInt32 = 0

    init(destination: [UInt8]) {
        self.destination = destination
        let common = HKDF<SHA256>.extract(inputKeyMaterial: SymmetricKey(data: destination), salt: Self.salt)
        self.seal = QUICPacketSeal(secret: QUICPacketSeal.expand(SymmetricKey(data: common), "client in", 32))
    }

    /// A padded Initial with these frames; what does not fit is cut. Nil when the library does not seal it.
    mutating func seal(_ frames: [UInt8]) -> [UInt8]? {
        defer { self.number += 1 }
        // No source id, no token.
        var header: [UInt8] = [0xc3, 0, 0, 0, 1, UInt8(self.destination.count)] + self.destination + [0, 0]
        let room = Self.size - header.count - 2
        header += [0x40 | UInt8(room >> 8), UInt8(room & 0xff)]
        let payload = room - QUICPacketSeal.number - QUICPacketSeal.tag
        let plain = Array(frames.prefix(payload)) + [UInt8](repeating: 0, count: max(0, payload - frames.count))
        return self.seal.seal(plain, behind: header, number: self.number)
    }
}
