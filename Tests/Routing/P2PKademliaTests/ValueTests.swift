import P2PCore
import P2PIdentity
import P2PMultiformats
import Testing

@testable import P2PKademlia

@Suite("Values and their validators")
struct ValueTests {
    private let validator = IPNSValidator()

    private func key() throws -> [UInt8] { IPNSRecord.key(of: try Fixture.peer(1)) }

    private func refused(_ value: [UInt8], for key: [UInt8]? = nil, at now: Int64 = Fixture.now) throws -> KademliaError.Code? {
        let name = try key ?? self.key()
        do throws(KademliaError) {
            try self.validator.validate(value, for: name, at: now)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("Records that go has taken are valid, and say what they say")
    func vectors() throws {
        let name = try Fixture.peer(1)
        let (v2, both) = (try Fixture.hex(Fixture.ipnsV2), try Fixture.hex(Fixture.ipnsV1V2))
        for (record, sequence) in [(v2, 1), (both, 2)] as [([UInt8], UInt64)] {
            #expect(try self.refused(record) == nil)
            let read = try IPNSRecord(verifying: record, of: name)
            #expect(read.sequence == sequence)
            #expect(read.value == Array("/ipfs/bafkqaaa".utf8))
            #expect(read.timeToLive == 300_000_000_000)
            #expect(String(decoding: read.validity, as: UTF8.self) == "2126-01-01T00:00:00.000000000Z")
        }
        #expect(self.validator.prefers(both, to: v2, for: try self.key()))
        #expect(!self.validator.prefers(v2, to: both, for: try self.key()))
        #expect(!self.validator.prefers(v2, to: v2, for: try self.key()))
        #expect(self.validator.end(of: v2, for: try self.key()) == 4_922_899_200)
    }

    @Test("A signature is checked when a record is validated, and not again when it is compared")
    func oneCheck() throws {
        var forged = try Fixture.hex(Fixture.ipnsV2)
        // The first byte of the signature.
        forged[2] ^= 1
        #expect(try self.refused(forged) == .invalidValue)
        #expect(self.validator.end(of: forged, for: try self.key()) == 4_922_899_200)
    }

    @Test("A record of ours is byte for byte that of the vectors")
    func signing() async throws {
        let key = try Fixture.key(1)
        let end: Int64 = 4_922_899_200
        let v2 = try await IPNSRecord.sign("/ipfs/bafkqaaa", sequence: 1, validUntil: end, hasV1: false, with: key)
        #expect(try self.refused(v2) == nil)
        let both = try await IPNSRecord.sign("/ipfs/bafkqaaa", sequence: 2, validUntil: end, with: key)
        #expect(try self.refused(both) == nil)
        let (read, vector) = (
            try IPNSRecord(verifying: both, of: Fixture.peer(1)),
            try IPNSRecord(verifying: Fixture.hex(Fixture.ipnsV1V2), of: Fixture.peer(1))
        )
        #expect(read == vector)
    }

    @Test("An RSA name's record brings its key along")
    func rsa() async throws {
        let key = try PrivateKey.generate(.rsa)
        let name = PeerID(key.publicKey)
        let record = try await IPNSRecord.sign("/ipfs/x", sequence: 0, validUntil: Fixture.now + 60, with: key)
        #expect(try self.refused(record, for: IPNSRecord.key(of: name)) == nil)
        #expect(try self.refused(record) == .invalidValue)
        #expect(try self.refused(record, for: IPNSRecord.key(of: name), at: Fixture.now + 60) == .invalidValue)
    }

    @Test("Any bit that is turned over, another name and another time are refused")
    func forged() async throws {
        let record = try Fixture.hex(Fixture.ipnsV2)
        for byte in record.indices {
            var forged = record
            forged[byte] ^= 1
            #expect(try self.refused(forged) == .invalidValue, "byte \(byte)")
        }
        let both = try Fixture.hex(Fixture.ipnsV1V2)
        var accepted: [Int] = []
        for byte in both.indices {
            var forged = both
            forged[byte] ^= 1
            if try self.refused(forged) == nil { accepted.append(byte) }
        }
        // The signature of version 1 is never looked at (IPNS spec, "Record Verification").
        #expect(accepted == Array(18..<82))
        #expect(try self.refused(record, for: IPNSRecord.key(of: Fixture.peer(2))) == .invalidValue)
        #expect(try self.refused(record, for: Array("/ipns/text".utf8)) == .invalidKey)
        #expect(try self.refused(record, at: 4_922_899_200) == .invalidValue)
        #expect(try self.refused([]) == .invalidValue)
    }

    @Test("A record of 10,240 bytes is taken, one of 10,241 is not")
    func sizes() async throws {
        let record = try Fixture.hex(Fixture.ipnsV2)
        // An unknown field of the length that is missing.
        func padded(to size: Int) -> [UInt8] {
            let count = size - record.count - 3
            return record + [0x7a, UInt8(count & 0x7f) | 0x80, UInt8(count >> 7)] + [UInt8](repeating: 0, count: count)
        }
        #expect(padded(to: 10_240).count == 10_240)
        #expect(try self.refused(padded(to: 10_240)) == nil)
        #expect(try self.refused(padded(to: 10_241)) == .invalidValue)
    }

    @Test("The higher sequence is better, then the later end, then the greater bytes")
    func selection() async throws {
        let key = try Fixture.key(1)
        func record(_ sequence: UInt64, _ end: Int64, _ value: String = "/ipfs/a") async throws -> [UInt8] {
            try await IPNSRecord.sign(value, sequence: sequence, validUntil: end, with: key)
        }
        let name = try self.key()
        let (low, high) = (try await record(1, 9_000), try await record(2, 5_000))
        #expect(self.validator.prefers(high, to: low, for: name) && !self.validator.prefers(low, to: high, for: name))
        let later = try await record(1, 9_001)
        #expect(self.validator.prefers(later, to: low, for: name) && !self.validator.prefers(low, to: later, for: name))
        let other = try await record(1, 9_000, "/ipfs/b")
        #expect(self.validator.prefers(other, to: low, for: name) != self.validator.prefers(low, to: other, for: name))
        #expect(self.validator.prefers(low, to: [1, 2, 3], for: name) && !self.validator.prefers([1, 2, 3], to: low, for: name))
    }

    @Test("A public key stands under the id that follows from it, and nothing else does")
    func publicKeys() throws {
        let validator = PublicKeyValidator()
        let key = try PrivateKey.generate(.rsa).publicKey
        let name = PublicKeyValidator.key(of: PeerID(key))
        #expect(name.count == 38 && name.prefix(4) == Array("/pk/".utf8)[...])
        #expect(throws: Never.self) { try validator.validate(key.protobufEncoded, for: name, at: 0) }
        #expect(throws: KademliaError(.invalidValue, "")) {
            try validator.validate(Fixture.key(1).publicKey.protobufEncoded, for: name, at: 0)
        }
        #expect(throws: KademliaError(.invalidValue, "")) { try validator.validate([1], for: name, at: 0) }
        #expect(throws: KademliaError(.invalidKey, "")) { try validator.validate(key.protobufEncoded, for: Array("/pk/x".utf8), at: 0) }
    }

    @Test("Without a validator for its namespace no key is taken")
    func namespaces() throws {
        let namespaces = RecordNamespaces.publicNetwork
        #expect(namespaces.names == ["ipns", "pk"])
        #expect(throws: Never.self) { _ = try namespaces.validator(for: self.key()) }
        for key in ["", "/", "//", "/ipns", "/ipns/", "ipns/x", "/text/x", "/IPNS/x", "//x"] {
            #expect(throws: KademliaError(.invalidKey, ""), "\(key)") { _ = try namespaces.validator(for: Array(key.utf8)) }
        }
        #expect(throws: KademliaError(.invalidKey, "")) {
            _ = try namespaces.validator(for: Array("/pk/".utf8) + [UInt8](repeating: 1, count: 2_000))
        }
    }

    @Test(
        "Times are read as RFC 3339 writes them",
        arguments: [
            ("2126-01-01T00:00:00.000000000Z", 4_922_899_200, 0), ("1970-01-01T00:00:00Z", 0, 0),
            ("2024-02-29T12:30:15.5Z", 1_709_209_815, 500_000_000),
            ("1970-01-01T01:00:00+01:00", 0, 0), ("1969-12-31T23:00:00-01:00", 0, 0), ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ] as [(String, Int64, Int64)])
    func times(text: String, seconds: Int64, nanoseconds: Int64) throws {
        let time = try #require(InternetTime(text.utf8))
        #expect(time.seconds == seconds && time.nanoseconds == nanoseconds)
    }

    @Test(
        "What is no time is none",
        arguments: [
            "", "2126", "2126-13-01T00:00:00Z", "2126-02-29T00:00:00Z", "2126-01-01T24:00:00Z", "2126-01-01T00:00:00",
            "2126-01-01T00:00:00.Z",
            "2126-01-01T00:00:00Zx", "2126-01-01T00:00:00+1:00", "+126-01-01T00:00:00Z",
        ])
    func noTimes(text: String) { #expect(InternetTime(text.utf8) == nil) }

    @Test("A map is read if it is one, whole, with each key once; it is written in one order")
    func maps() throws {
        var map = CBORMap()
        map["TTL"] = .number(300_000_000_000)
        map["Value"] = .bytes([1, 2])
        map["Sequence"] = .number(24)
        map["a"] = .number(23)
        let encoded = map.encoded
        #expect(encoded.first == 0xa4)
        let read = try #require(CBORMap(encoded))
        #expect(read.encoded == encoded)
        // Texts, lists and maps within are kept as they are.
        let other: [UInt8] = [0xa1, 0x61, 0x5f, 0x82, 0x61, 0x78, 0xa1, 0x61, 0x79, 0xf5]
        #expect(try #require(CBORMap(other)).encoded == other)
        for bad in [
            [], [0xa1], [0xa0, 0], [0xbf, 0xff], [0xa1, 0x01, 0x01], [0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2], [0x80],
            [0xa1, 0x61, 0x61, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
        ]
            as [[UInt8]]
        {
            #expect(CBORMap(bad) == nil, "\(bad)")
        }
        #expect(CBORMap([0xa1, 0x61, 0x61] + [UInt8](repeating: 0x81, count: 5_000) + [1]) == nil)
    }
}
