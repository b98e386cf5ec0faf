import Foundation
import P2PCore
import P2PIdentity
import Testing

@testable import P2PPrivateNetwork

@Suite("Private network keys and their files")
final class PreSharedKeyTests {
    private static let header = "/key/swarm/psk/1.0.0/\n"
    private static let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    private static let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    private let key: PreSharedKey
    private let directory: URL

    init() throws {
        self.key = try PreSharedKey(bytes: Array(0..<32))
        self.directory = FileManager.default.temporaryDirectory.appendingPathComponent("psk-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: self.directory)
    }

    private func path(_ name: String) -> String { self.directory.appendingPathComponent(name).path }

    private func decode(_ text: String) throws(PrivateNetworkError) -> PreSharedKey { try PreSharedKeyFile.decode(Array(text.utf8)) }

    @Test("The files that other implementations write are read")
    func reads() throws {
        for text in [
            "\(Self.header)/base16/\n\(Self.digits)", "\(Self.header)/base16/\n\(Self.digits)\n",
            "\(Self.header)/base16/\n\(Self.digits.uppercased())\n", "\(Self.header)/base64/\n\(Self.base64)\n",
            "\(Self.header.dropLast())\r\n/base16/\r\n\(Self.digits)\r\n", "\(Self.header)/base64/\n\(Self.base64)  \n\n",
        ] {
            #expect(try self.decode(text) == self.key, "\(text)")
        }
        let binary = Array("\(Self.header)/bin/\n".utf8) + self.key.bytes
        #expect(try PreSharedKeyFile.decode(binary) == self.key)
        #expect(try PreSharedKeyFile.decode(binary + [0x0a]) == self.key)
    }

    @Test("A binary key keeps what looks like white space in it")
    func binaryWhiteSpace() throws {
        let key = try PreSharedKey(bytes: [UInt8](repeating: 0x0a, count: 31) + [0x20])
        #expect(try PreSharedKeyFile.decode(PreSharedKeyFile.encode(key, as: .bin)) == key)
    }

    @Test("Anything else is refused with a reason that quotes nothing of it")
    func refuses() throws {
        for text in [
            "", "\n", Self.header, "/key/swarm/psk/2.0.0/\n/base16/\n\(Self.digits)", "\(Self.header)/base16/",
            "\(Self.header)/base32/\n\(Self.digits)", "\(Self.header)\(Self.digits)", "\(Self.header)/base16/\n",
            "\(Self.header)/base16/\n\(Self.digits)0", "\(Self.header)/base16/\n\(Self.digits)00",
            "\(Self.header)/base16/\n\(Self.digits.dropLast(2))", "\(Self.header)/base16/\n\(Self.digits.dropLast())g",
            "\(Self.header)/base16/\n\(Self.digits) \(Self.digits)", "\(Self.header)/base64/\n\(Self.base64.dropLast())",
            "\(Self.header)/base64/\n\(Self.digits)", "\(Self.header)/bin/\n\(Self.digits)", " \(Self.header)/base16/\n\(Self.digits)",
            "\(Self.header)/base16/\n\(Self.digits)" + String(repeating: "\n", count: 300),
        ] {
            let error = #expect(throws: PrivateNetworkError.self, "\(text)") { try self.decode(text) }
            #expect(error?.code == .malformedKey)
            #expect(error?.message.contains(Self.digits.prefix(8)) == false && error?.message.contains(Self.base64.prefix(8)) == false)
            #expect(error?.cause == nil)
        }
    }

    @Test(
        "A key written is a key read, in a file of mode 0600 that is never replaced unasked", arguments: PreSharedKeyFile.Encoding.allCases)
    func roundTrip(encoding: PreSharedKeyFile.Encoding) throws {
        let path = self.path("swarm.key")
        try PreSharedKeyFile.write(self.key, to: path, as: encoding)
        #expect(try PreSharedKeyFile.read(path) == self.key)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        #expect(throws: IdentityError(.keyFileExists, "")) { try PreSharedKeyFile.write(.generate(), to: path) }
        #expect(try PreSharedKeyFile.read(path) == self.key)
        try PreSharedKeyFile.write(.generate(), to: path, replacing: true)
        #expect(try PreSharedKeyFile.read(path) != self.key)
    }

    @Test("A file that others may read, or that holds something else, is refused by the rules of key files")
    func refusesFiles() throws {
        let path = self.path("swarm.key")
        try PreSharedKeyFile.write(self.key, to: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        #expect(throws: IdentityError(.keyFileExposed, "")) { try PreSharedKeyFile.read(path) }
        #expect(throws: IdentityError(.keyFileMissing, "")) { try PreSharedKeyFile.read(self.path("none")) }
        let identity = self.path("node.key")
        try KeyFile.write(try PrivateKey.generate(.ed25519), to: identity)
        let error = #expect(throws: IdentityError(.keyFileDamaged, "")) { try PreSharedKeyFile.read(identity) }
        #expect((error?.cause as? PrivateNetworkError)?.code == .malformedKey)
    }

    @Test("A key has 32 bytes, and two that are made differ")
    func sizes() throws {
        for count in [0, 31, 33, 64] {
            #expect(throws: PrivateNetworkError(.malformedKey, "")) { try PreSharedKey(bytes: [UInt8](repeating: 1, count: count)) }
        }
        #expect(PreSharedKey.generate() != PreSharedKey.generate())
    }

    @Test("A key never shows itself in text")
    func hidden() {
        var dumped = ""
        dump(self.key, to: &dumped)
        for text in ["\(self.key)", String(reflecting: self.key), "\([self.key])", dumped] {
            #expect(text.contains("hidden"))
            #expect(!text.contains("17") && !text.contains("1f"))
        }
    }

    #if Sodium
        @Test("The fingerprint is the one that go's nodes print")
        func fingerprint() throws {
            // By pycryptodome and hashlib: SHAKE128 over 64 bytes of the Salsa20 stream of key and "finprint".
            #expect(try self.key.fingerprint() == "41dfbf48d882a8ee665983adfa7a48f7")
            #expect(try PrivateNetwork(key: self.key).fingerprint == "41dfbf48d882a8ee665983adfa7a48f7")
        }
    #else
        @Test("Without libsodium a private network is a typed error that names the trait")
        func notBuiltIn() throws {
            let error = #expect(throws: PrivateNetworkError(.notBuiltIn, "")) { try PrivateNetwork(key: self.key) }
            #expect(error?.message.contains("Sodium") == true)
        }
    #endif
}
