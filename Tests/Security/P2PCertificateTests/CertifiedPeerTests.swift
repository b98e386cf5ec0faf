import Crypto
import CryptoExtras
import Foundation
import P2PCore
import P2PIdentity
import SwiftASN1
import Testing
import X509

@testable import P2PCertificate

/// What a verifier demands of a peer's certificate, each demand by itself.
@Suite struct CertifiedPeerTests {
    private let host: PrivateKey
    private let recipe: Recipe

    init() throws {
        self.host = try PrivateKey.generate(.ed25519)
        self.recipe = Recipe(host: self.host)
    }

    private func bake(_ change: (inout Recipe) throws -> Void = { _ in }) async throws -> [UInt8] {
        var recipe = self.recipe
        try change(&recipe)
        return try await recipe.bake()
    }

    @Test("A right certificate is accepted, whether its extension is critical or not")
    func accepted() async throws {
        let peer = PeerID(self.host.publicKey)
        #expect(refusal(of: try await self.bake(), expecting: peer) == nil)
        #expect(refusal(of: try await self.bake { $0.isCritical = true }, expecting: peer) == nil)
    }

    @Test("Keys of every kind that TLS 1.3 signs with are accepted")
    func keys() async throws {
        let keys = [
            Certificate.PrivateKey(P256.Signing.PrivateKey()), Certificate.PrivateKey(P384.Signing.PrivateKey()),
            Certificate.PrivateKey(P521.Signing.PrivateKey()), Certificate.PrivateKey(Curve25519.Signing.PrivateKey()),
            Certificate.PrivateKey(try _RSA.Signing.PrivateKey(keySize: .bits2048)),
        ]
        for key in keys {
            #expect(refusal(of: try await self.bake { $0.key = key }) == nil, "\(key)")
        }
    }

    @Test("Anything but exactly one certificate is refused")
    func count() async throws {
        let certificate = try await self.bake()
        #expect(refusal(ofChain: []) == .wrongCount)
        #expect(refusal(ofChain: [certificate, certificate]) == .wrongCount)
    }

    @Test("Dates count to the second, both ends included")
    func dates() async throws {
        let certificate = try await self.bake {
            $0.notBefore = Date(timeIntervalSince1970: 1_000_000_000)
            $0.notAfter = Date(timeIntervalSince1970: 4_000_000_000)
        }
        func code(_ seconds: Int64) -> P2PCertificate.CertificateError.Code? {
            refusal(of: certificate, now: WallTime(secondsSince1970: seconds))
        }
        #expect(code(999_999_999) == .notYetValid)
        #expect(code(1_000_000_000) == nil)
        #expect(code(4_000_000_000) == nil)
        #expect(code(4_000_000_001) == .expired)
        #expect(code(.min) == .notYetValid)
        #expect(code(.max) == .expired)
    }

    @Test("Dates are a reason only where there is no other")
    func datesComeLast() async throws {
        let over: (inout Recipe) -> Void = { $0.notAfter = Date.now - 60 }
        let stranger = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        #expect(refusal(of: try await self.bake(over)) == .expired)
        #expect(refusal(of: try await self.bake(over), expecting: stranger) == .peerMismatch)
        let forged = try await self.bake {
            over(&$0)
            $0.signature = [1, 2, 3]
        }
        #expect(refusal(of: forged) == .invalidHostSignature)
    }

    @Test("A critical extension that nobody understands is refused, the same one uncritical is ignored")
    func unknownExtension() async throws {
        let critical = Certificate.Extension(oid: [1, 2, 3, 4], critical: true, value: [5, 0])
        let uncritical = Certificate.Extension(oid: [1, 2, 3, 4], critical: false, value: [5, 0])
        #expect(refusal(of: try await self.bake { $0.others = [critical] }) == .unknownCriticalExtension)
        #expect(refusal(of: try await self.bake { $0.others = [uncritical] }) == nil)
    }

    @Test("A certificate without the extension, or with something else in it, is refused")
    func libp2pExtension() async throws {
        #expect(refusal(of: try await self.bake { $0.hasExtension = false }) == .missingExtension)
        #expect(refusal(of: try await self.bake { $0.extensionValue = [] }) == .malformedExtension)
        #expect(refusal(of: try await self.bake { $0.extensionValue = [0x30, 0x00] }) == .malformedExtension)
        #expect(refusal(of: try await self.bake { $0.extensionValue = [0x30, 0x80, 0, 0] }) == .malformedExtension)
    }

    @Test("A certificate that another key signed, or whose signature has a wrong bit, is refused")
    func selfSignature() async throws {
        let other = Certificate.PrivateKey(P256.Signing.PrivateKey())
        #expect(refusal(of: try await self.bake { $0.signer = other }) == .invalidSelfSignature)
        var certificate = try await self.bake()
        certificate[certificate.count - 1] ^= 1
        #expect(refusal(of: certificate) == .invalidSelfSignature)
    }

    @Test("A signature that belongs to another kind of key is no scheme")
    func scheme() async throws {
        let edwards = Certificate.PrivateKey(Curve25519.Signing.PrivateKey())
        #expect(refusal(of: try await self.bake { $0.signer = edwards }) == .unsupportedAlgorithm)
        let sha1 = try await self.bake {
            $0.key = Certificate.PrivateKey(try _RSA.Signing.PrivateKey(keySize: .bits2048))
            $0.algorithm = .sha1WithRSAEncryption
        }
        #expect(refusal(of: sha1) == .unsupportedAlgorithm)
    }

    @Test("A host key that is none, or did not sign this key, or signed another text, is refused")
    func hostKey() async throws {
        #expect(refusal(of: try await self.bake { $0.hostKey = [8, 1, 18, 1, 0] }) == .invalidHostKey)
        #expect(refusal(of: try await self.bake { $0.hostKey = [] }) == .invalidHostKey)
        let other = try PrivateKey.generate(.ed25519)
        #expect(refusal(of: try await self.bake { $0.hostKey = other.publicKey.protobufEncoded }) == .invalidHostSignature)
        #expect(refusal(of: try await self.bake { $0.signedInfo = [1, 2, 3] }) == .invalidHostSignature)
        #expect(refusal(of: try await self.bake { $0.signature = [] }) == .invalidHostSignature)
    }

    @Test("The expected peer is pinned")
    func pinned() async throws {
        let other = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        let certificate = try await self.bake()
        #expect(refusal(of: certificate, expecting: other) == .peerMismatch)
        #expect(refusal(of: certificate, expecting: PeerID(self.host.publicKey)) == nil)
    }

    @Test("A certificate above the limit is refused before it is parsed, one of another version after")
    func form() async throws {
        let padding = Certificate.Extension(oid: [1, 2, 3], critical: false, value: Array(repeating: 0, count: 16_384)[...])
        #expect(refusal(of: try await self.bake { $0.others = [padding] }) == .tooLarge)
        #expect(refusal(of: try await self.bake { $0.version = .v1 }) == .malformed)
        #expect(refusal(of: []) == .malformed)
    }

    @Test("A certificate with two extensions of one kind, or a unique id, is refused")
    func surplus() async throws {
        let certificate = try await self.bake()
        #expect(refusal(of: try Surgery.repeatingTheExtensions(of: certificate)) == .malformed)
        #expect(refusal(of: try Surgery.addingAUniqueID(to: certificate)) == .malformed)
    }

    @Test("Every truncation, and a wrong bit at every byte, is refused and harms nobody")
    func damage() async throws {
        let certificate = try await self.bake()
        for length in 0..<certificate.count {
            #expect(refusal(of: Array(certificate.prefix(length))) == .malformed)
        }
        for index in certificate.indices {
            var damaged = certificate
            damaged[index] ^= 0x10
            #expect(refusal(of: damaged) != nil, "byte \(index)")
        }
    }

    @Test("Metadata that is no OCTET STRING counts as none; what is too long is refused")
    func foreignMetadata() async throws {
        for value in [[0x05, 0x00], [], [0x04, 0x83, 0x00, 0x10, 0x01]] as [[UInt8]] {
            let odd = Certificate.Extension(oid: .appMetadata, critical: false, value: value[...])
            let certificate = try await self.bake { $0.others = [odd] }
            #expect(try CertifiedPeer.verify(chainDER: [certificate], expecting: nil).metadata == nil)
        }
        var long = DER.Serializer()
        try long.serialize(ASN1OctetString(contentBytes: Array(repeating: 1, count: 4_097)[...]))
        let odd = Certificate.Extension(oid: .appMetadata, critical: false, value: long.serializedBytes[...])
        let certificate = try await self.bake { $0.others = [odd] }
        #expect(refusal(of: certificate) == .metadataTooLong)
    }
}
