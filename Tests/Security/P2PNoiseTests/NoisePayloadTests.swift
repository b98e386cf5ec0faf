import P2PCore
import P2PIdentity
import Testing

@testable import P2PNoise

/// The payload in which each side says who it is.
@Suite struct NoisePayloadTests {
    private let key: PrivateKey
    private let identity: NoiseIdentity

    init() async throws {
        self.key = try PrivateKey.generate(.ed25519)
        self.identity = try await NoiseIdentity.make(identity: self.key, metadata: [1, 2, 3])
    }

    private func verify(_ bytes: [UInt8], expecting peer: PeerID? = nil) throws(NoiseError) -> NoisePayload.Verified {
        try NoisePayload.verify(bytes, staticKey: self.identity.staticKey.publicKey, expecting: peer)
    }

    private func wire(_ change: (inout NoisePayloadMessage) -> Void) throws -> [UInt8] {
        var payload = try NoisePayloadMessage(NoisePayload.make(self.identity, muxers: ["/yamux/1.0.0"]))
        change(&payload)
        return payload.encoded
    }

    private static func bytes(_ names: some Sequence<String>) -> [[UInt8]] { names.map { Array($0.utf8) } }

    private func code(_ bytes: [UInt8]) -> NoiseError.Code? {
        failure { () throws(NoiseError) in try self.verify(bytes) }?.code
    }

    @Test("A payload proves who sent it, for every type of key", arguments: KeyType.allCases)
    func roundTrip(type: KeyType) async throws {
        #if !OpenSSL
            guard type != .secp256k1 else { return }
        #endif
        let key = try PrivateKey.generate(type)
        let identity = try await NoiseIdentity.make(identity: key, metadata: [9])
        let bytes = NoisePayload.make(identity, muxers: ["/yamux/1.0.0", "/mplex/6.7.0"])
        let verified = try NoisePayload.verify(bytes, staticKey: identity.staticKey.publicKey, expecting: PeerID(key.publicKey))
        #expect(verified.peer == PeerID(key.publicKey))
        #expect(verified.key == key.publicKey)
        #expect(verified.muxers == ["/yamux/1.0.0", "/mplex/6.7.0"])
        #expect(verified.metadata == [9])
    }

    @Test("A payload without key or signature, or with an empty signature, is refused")
    func missing() throws {
        #expect(self.code([]) == .malformedPayload)
        #expect(self.code(try self.wire { $0.identityKey = nil }) == .malformedPayload)
        #expect(self.code(try self.wire { $0.identitySignature = nil }) == .invalidSignature)
        #expect(self.code(try self.wire { $0.identitySignature = [] }) == .invalidSignature)
    }

    @Test("A signature by another key, over another static key, without the prefix or with one wrong bit is refused")
    func forged() async throws {
        let other = try PrivateKey.generate(.ed25519)
        let staticKey = self.identity.staticKey.publicKey
        let byAnother = try await other.sign(NoiseIdentity.signed(staticKey))
        #expect(self.code(try self.wire { $0.identitySignature = byAnother }) == .invalidSignature)
        let unprefixed = try await self.key.sign(staticKey)
        #expect(self.code(try self.wire { $0.identitySignature = unprefixed }) == .invalidSignature)
        let wrongPrefix = try await self.key.sign(Array("noise-libp2p-static-key;".utf8) + staticKey)
        #expect(self.code(try self.wire { $0.identitySignature = wrongPrefix }) == .invalidSignature)
        let overAnother = try await self.key.sign(NoiseIdentity.signed(DiffieHellmanKey().publicKey))
        #expect(self.code(try self.wire { $0.identitySignature = overAnother }) == .invalidSignature)
        for bit in 0..<512 {
            let bytes = try self.wire { payload in
                payload.identitySignature?[bit / 8] ^= 1 << UInt8(bit % 8)
            }
            #expect(self.code(bytes) == .invalidSignature, "bit \(bit)")
        }
        // Somebody else's key before our signature: its owner didn't sign.
        let anothersKey = other.publicKey.protobufEncoded
        #expect(self.code(try self.wire { $0.identityKey = anothersKey }) == .invalidSignature)
    }

    @Test("An identity key that isn't one is refused for what it is")
    func badKey() throws {
        let valid = self.key.publicKey.protobufEncoded
        #expect(self.code(try self.wire { $0.identityKey = [] }) == .invalidIdentityKey)
        #expect(self.code(try self.wire { $0.identityKey = Array(valid.dropLast()) }) == .invalidIdentityKey)
        #expect(self.code(try self.wire { $0.identityKey = valid + [0] }) == .invalidIdentityKey)
        #expect(self.code(try self.wire { $0.identityKey = [UInt8](repeating: 0xff, count: 60_000) }) == .invalidIdentityKey)
    }

    @Test("The wrong peer is refused with both ids in the message")
    func pinned() throws {
        let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let bytes = NoisePayload.make(self.identity, muxers: [])
        let error = failure { () throws(NoiseError) in try self.verify(bytes, expecting: other) }
        #expect(error?.code == .peerMismatch)
        #expect(error?.message == "expected the peer \(other), but \(PeerID(self.key.publicKey)) answered")
    }

    @Test("Bytes that aren't the message are refused, cut at any byte included")
    func malformed() throws {
        let bytes = NoisePayload.make(self.identity, muxers: ["/yamux/1.0.0"])
        for length in 0..<bytes.count {
            let isWholeFields = length == 104  // Key and signature alone: the extensions are optional.
            #expect((self.code(Array(bytes.prefix(length))) == nil) == isWholeFields, "\(length) bytes")
        }
        #expect(self.code([0xff, 0xff, 0xff]) == .malformedPayload)
        #expect(self.code([0x1b, 0x1c] + bytes) == .malformedPayload, "a group, which nobody uses")
        #expect(self.code([UInt8](repeating: 0x0b, count: 60_000)) == .malformedPayload)
        #expect(self.code([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]) == .malformedPayload)
    }

    @Test("Duplicate fields count last, and unknown ones not at all")
    func lenient() throws {
        let bytes = NoisePayload.make(self.identity, muxers: ["/yamux/1.0.0"])
        let unknown: [UInt8] = [0x1a, 3, 1, 2, 3, 0xf8, 0x7f, 5]
        #expect(try self.verify(unknown + bytes + unknown).peer == PeerID(self.key.publicKey))
        #expect(try self.verify(bytes + bytes).muxers == ["/yamux/1.0.0", "/yamux/1.0.0"])
        let badKeyFirst: [UInt8] = [0x0a, 2, 1, 2]
        #expect(try self.verify(badKeyFirst + bytes).peer == PeerID(self.key.publicKey))
        #expect(self.code(bytes + badKeyFirst) == .invalidIdentityKey)
    }

    @Test("A list of 100 muxers counts; one of 101, or a name that is none, doesn't")
    func muxers() throws {
        let names = (0..<101).map { "/muxer/\($0)" }
        let most = try self.wire { $0.muxers = Self.bytes(names.prefix(100)) }
        #expect(try self.verify(most).muxers.count == 100)
        let tooMany = try self.wire { $0.muxers = Self.bytes(names) }
        #expect(try self.verify(tooMany).muxers == [])
        let flood = try self.wire { $0.muxers = [[UInt8]](repeating: [], count: 30_000) }
        #expect(try self.verify(flood).muxers == [])
        let odd = try self.wire { $0.muxers = Self.bytes(["", "/a\n", "/b", String(repeating: "c", count: 1_024)]) + [[0x2f, 0xff]] }
        #expect(try self.verify(odd).muxers == ["/b"])
        let ours = NoisePayload.make(self.identity, muxers: names.map { ProtocolID($0) })
        #expect(try self.verify(ours).muxers.count == 100)
    }

    @Test("Metadata of 4,096 bytes passes; more is refused, from a peer and from the application")
    func metadata() async throws {
        let most = try self.wire { $0.metadata = [UInt8](repeating: 7, count: 4_096) }
        #expect(try self.verify(most).metadata == [UInt8](repeating: 7, count: 4_096))
        let tooMuch = try self.wire { $0.metadata = [UInt8](repeating: 7, count: 4_097) }
        #expect(self.code(tooMuch) == .metadataTooLong)
        let none = try self.wire { ($0.muxers, $0.metadata) = ([], nil) }
        #expect(try self.verify(none).metadata == nil)
        await #expect(throws: TransportError(.metadataTooLong, "")) {
            try await NoiseSecurity.make(identity: self.key, metadata: [UInt8](repeating: 0, count: 4_097))
        }
    }

    @Test("Each field has its number, that of the metadata is 20,530 of the extensions")
    func wireForm() throws {
        var payload = NoisePayloadMessage()
        payload.identityKey = [1]
        payload.identitySignature = [2, 2]
        payload.muxers = [[0x61], [0x62]]
        payload.metadata = [0xAA]
        let bytes: [UInt8] = [0x0a, 1, 1, 0x12, 2, 2, 2, 0x22, 11, 0x12, 1, 0x61, 0x12, 1, 0x62, 0x92, 0x83, 0x0a, 1, 0xAA]
        #expect(payload.encoded == bytes)
        let read = try NoisePayloadMessage(bytes)
        #expect(read.identityKey == [1] && read.identitySignature == [2, 2])
        #expect(read.muxers == [[0x61], [0x62]] && read.metadata == [0xAA] && !read.hasTooManyMuxers)
        #expect(NoisePayloadMessage().encoded == [])
    }

    @Test("A key that refuses to sign makes no secure channel")
    func signing() async throws {
        struct Broken: IdentityKey {
            let publicKey: PublicKey
            func sign(_ message: [UInt8]) async throws(IdentityError) -> [UInt8] { throw IdentityError(.signingFailed, "no") }
        }
        let error = await #expect(throws: TransportError(.securityFailed, "")) {
            try await NoiseSecurity.make(identity: Broken(publicKey: self.key.publicKey))
        }
        #expect((error?.cause as? NoiseError)?.code == .signingFailed)
    }
}
