import Crypto
import P2PVectors
import Testing

@testable import P2PNoise

/// ChaCha20-Poly1305, with every implementation that this build has.
@Suite struct PacketCipherTests {
    struct Implementation: Sendable {
        var name: String
        var make: @Sendable (SymmetricKey) -> (any PacketCipher)?
    }

    static let implementations: [Implementation] = {
        let portable = Implementation(name: "swift-crypto") { PortableCipher(key: $0) }
        #if OpenSSL
            return [portable, Implementation(name: "libcrypto") { LibcryptoCipher(key: $0) }]
        #else
            return [portable]
        #endif
    }()

    struct File: Decodable {
        struct Group: Decodable {
            var tests: [Case]
        }
        struct Case: Decodable {
            var tcId: Int
            var key, iv, aad, msg, ct, tag: HexBytes
            var result: String
        }
        var testGroups: [Group]
    }

    @Test(
        "Wycheproof's ChaCha20-Poly1305 vectors pass in every implementation",
        .enabled(if: Vectors.exist("wycheproof"), "\(Vectors.areAbsent)"))
    func wycheproof() throws {
        let cases = try Vectors.json(File.self, "wycheproof/chacha20_poly1305_test.json").testGroups.flatMap(\.tests)
        #expect(cases.count == 325)
        for implementation in Self.implementations {
            for test in cases {
                guard let nonce = PacketNonce(bytes: test.iv.bytes) else {
                    #expect(test.result == "invalid", "case \(test.tcId): a nonce of \(test.iv.bytes.count) bytes")
                    continue
                }
                let cipher = try #require(implementation.make(SymmetricKey(data: test.key.bytes)))
                let opened = open(cipher, test.ct.bytes + test.tag.bytes, nonce: nonce, data: test.aad.bytes, pieces: 1)
                let pieced = open(cipher, test.ct.bytes + test.tag.bytes, nonce: nonce, data: test.aad.bytes, pieces: 7)
                if test.result == "valid" {
                    #expect(opened == test.msg.bytes, "\(implementation.name) opens case \(test.tcId)")
                    #expect(pieced == test.msg.bytes, "\(implementation.name) opens case \(test.tcId) in pieces")
                    let sealed = seal(cipher, test.msg.bytes, nonce: nonce, data: test.aad.bytes)
                    #expect(sealed == test.ct.bytes + test.tag.bytes, "\(implementation.name) seals case \(test.tcId)")
                } else {
                    #expect(opened == nil && pieced == nil, "\(implementation.name) refuses case \(test.tcId)")
                }
            }
        }
    }

    @Test("The implementations understand each other at every length up to 200 and at the record's limit", arguments: [0, 1, 65_519])
    func agree(start: Int) throws {
        let key = SymmetricKey(size: .bits256)
        for length in start == 65_519 ? start...start : start...(start + 199) {
            let text = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let nonce = PacketNonce(counter: UInt64(length) << 30)
            let sealed = Self.implementations.map { implementation in
                implementation.make(key).flatMap { seal($0, text, nonce: nonce, data: []) }
            }
            #expect(Set(sealed).count == 1)
            for implementation in Self.implementations {
                let cipher = try #require(implementation.make(key))
                #expect(open(cipher, sealed[0], nonce: nonce, data: [], pieces: 3) == text)
            }
        }
    }

    @Test("A cipher serves both directions one after the other, and a record that was begun and left harms no later one")
    func reuse() throws {
        for implementation in Self.implementations {
            let cipher = try #require(implementation.make(SymmetricKey(size: .bits256)))
            let first = seal(cipher, [1, 2, 3], nonce: PacketNonce(counter: 0), data: [9])
            #expect(cipher.beginOpening(nonce: PacketNonce(counter: 5), authenticating: UnsafeRawBufferPointer(start: nil, count: 0)))
            #expect(open(cipher, first, nonce: PacketNonce(counter: 0), data: [9], pieces: 1) == [1, 2, 3])
            #expect(open(cipher, first, nonce: PacketNonce(counter: 1), data: [9], pieces: 1) == nil)
            #expect(open(cipher, first, nonce: PacketNonce(counter: 0), data: [8], pieces: 1) == nil)
            #expect(seal(cipher, [1, 2, 3], nonce: PacketNonce(counter: 0), data: [9]) == first)
        }
    }

    @Test("A key of the wrong size makes no cipher")
    func keySize() {
        for implementation in Self.implementations {
            #expect(implementation.make(SymmetricKey(size: .bits128)) == nil)
        }
    }

    private func seal(_ cipher: any PacketCipher, _ text: [UInt8], nonce: PacketNonce, data: [UInt8]) -> [UInt8]? {
        var region = text + [UInt8](repeating: 0, count: 16)
        let isSealed = region.withUnsafeMutableBytes { region in
            data.withUnsafeBytes { cipher.seal(region, nonce: nonce, authenticating: $0) }
        }
        return isSealed ? region : nil
    }

    private func open(_ cipher: any PacketCipher, _ sealed: [UInt8]?, nonce: PacketNonce, data: [UInt8], pieces: Int) -> [UInt8]? {
        guard let sealed, sealed.count >= 16 else { return nil }
        let ciphertext = Array(sealed.dropLast(16))
        var output = [UInt8](repeating: 0xAA, count: ciphertext.count)
        let isOpen = output.withUnsafeMutableBytes { output in
            guard data.withUnsafeBytes({ cipher.beginOpening(nonce: nonce, authenticating: $0) }) else { return false }
            var offset = 0
            for piece in 0..<pieces {
                let count = piece == pieces - 1 ? ciphertext.count - offset : min(ciphertext.count / pieces, ciphertext.count - offset)
                let isTaken = ciphertext[offset..<offset + count].withUnsafeBytes {
                    cipher.advance($0, into: UnsafeMutableRawBufferPointer(rebasing: output[offset..<offset + count]))
                }
                guard isTaken else { return false }
                offset += count
            }
            return sealed.suffix(16).withUnsafeBytes { cipher.finishOpening(output, tag: $0) }
        }
        return isOpen ? output : nil
    }
}
