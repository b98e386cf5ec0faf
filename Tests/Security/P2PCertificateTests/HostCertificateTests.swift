import Crypto
import Foundation
import P2PCore
import P2PIdentity
import SwiftASN1
import Testing
import X509

@testable import P2PCertificate

/// The certificate that a host makes of itself.
@Suite struct HostCertificateTests {
    @Test("A certificate proves its host, for every type of key, and carries its metadata", arguments: KeyType.allCases)
    func roundTrip(type: KeyType) async throws {
        #if !OpenSSL
            guard type != .secp256k1 else { return }
        #endif
        let identity = try PrivateKey.generate(type)
        let host = try await HostCertificate.make(identity: identity, metadata: [1, 2, 3])
        let certified = try CertifiedPeer.verify(chainDER: [host.certificateDER], expecting: PeerID(identity.publicKey))
        #expect(certified.peer == PeerID(identity.publicKey))
        #expect(certified.key == identity.publicKey)
        #expect(certified.metadata == [1, 2, 3])
    }

    @Test("A large identity with the most metadata stays within the limit of a verifier")
    func large() async throws {
        let identity = try PrivateKey.generate(.rsa, rsaBits: 4_096)
        let metadata = [UInt8](repeating: 7, count: CertificateLimits.maximumMetadata)
        let host = try await HostCertificate.make(identity: identity, metadata: metadata)
        #expect(host.certificateDER.count < CertificateLimits.maximumSize)
        #expect(try CertifiedPeer.verify(chainDER: [host.certificateDER], expecting: nil).metadata == metadata)
    }

    @Test("Without metadata there is no extension for it, and too much is refused")
    func metadata() async throws {
        let identity = try PrivateKey.generate(.ed25519)
        let host = try await HostCertificate.make(identity: identity)
        let parsed = try Certificate(derEncoded: host.certificateDER)
        #expect(parsed.extensions.count == 1)
        #expect(parsed.extensions.allSatisfy { !$0.critical })
        #expect(try CertifiedPeer.verify(chainDER: [host.certificateDER], expecting: nil).metadata == nil)
        await #expect(throws: P2PCertificate.CertificateError(.metadataTooLong, "")) {
            try await HostCertificate.make(identity: identity, metadata: [UInt8](repeating: 0, count: 4_097))
        }
    }

    @Test(
        "A certificate is valid by every clock that a machine may have: of 1970, of this year, of 2106, and up to 4096",
        arguments: [0, 600, 157_766_400, 1_700_000_000, 2_147_483_648, 4_294_967_295, 4_294_967_296, 67_090_118_400])
    func dates(clock: Int64) async throws {
        let host = try await HostCertificate.make(identity: try PrivateKey.generate(.ed25519))
        #expect(refusal(of: host.certificateDER, now: WallTime(secondsSince1970: clock)) == nil)
        #expect(refusal(of: host.certificateDER, now: WallTime(secondsSince1970: -1)) == .notYetValid)
        #expect(refusal(of: host.certificateDER, now: WallTime(secondsSince1970: 67_090_118_401)) == .expired)
    }

    @Test("Certificate and key come in DER and PEM, belong together, and are new each time")
    func forms() async throws {
        let identity = try PrivateKey.generate(.ed25519)
        let host = try await HostCertificate.make(identity: identity)
        let key = try P256.Signing.PrivateKey(derRepresentation: host.privateKeyDER)
        #expect(try P256.Signing.PrivateKey(pemRepresentation: host.privateKeyPEM).rawRepresentation == key.rawRepresentation)
        let certificate = try Certificate(derEncoded: host.certificateDER)
        #expect(try Certificate(pemEncoded: host.certificatePEM) == certificate)
        #expect(P256.Signing.PublicKey(certificate.publicKey)?.rawRepresentation == key.publicKey.rawRepresentation)
        #expect(try await HostCertificate.make(identity: identity).privateKeyDER != host.privateKeyDER)
    }

    @Test("A description shows nothing of the key")
    func redacted() async throws {
        let host = try await HostCertificate.make(identity: try PrivateKey.generate(.ed25519))
        var dumped = ""
        dump(host, to: &dumped)
        for text in ["\(host)", String(reflecting: host), dumped] {
            #expect(!text.contains("PRIVATE"))
            #expect(!text.contains("privateKey"))
        }
    }

    @Test("An identity that does not sign makes no certificate")
    func stubborn() async throws {
        struct Stubborn: IdentityKey {
            let publicKey: P2PIdentity.PublicKey
            func sign(_ message: [UInt8]) async throws(IdentityError) -> [UInt8] { throw IdentityError(.signingFailed, "no") }
        }
        let identity = Stubborn(publicKey: try PrivateKey.generate(.ed25519).publicKey)
        await #expect(throws: P2PCertificate.CertificateError(.signingFailed, "")) { try await HostCertificate.make(identity: identity) }
    }

    @Test("Dates of the calendar are counted as the calendar counts them")
    func calendar() {
        func seconds(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
            WallTime(year: year, month: month, day: day, hours: 0, minutes: 0, seconds: 0).secondsSince1970
        }
        #expect(seconds(1970, 1, 1) == 0)
        #expect(seconds(2000, 2, 29) == 951_782_400)
        #expect(seconds(2000, 3, 1) == 951_868_800)
        #expect(seconds(2100, 3, 1) == 4_107_542_400)
        #expect(seconds(1, 1, 1) == -62_135_596_800)
        #expect(seconds(0, 1, 1) == -62_167_219_200)
        #expect(seconds(9999, 12, 31) == 253_402_214_400)
    }

    @Test(
        "Dates are written as people read them",
        arguments: [
            (0, "1970-01-01 00:00:00 UTC"), (-1, "1969-12-31 23:59:59 UTC"), (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_772_353_805, "2026-03-01 08:30:05 UTC"), (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (67_090_118_400, "4096-01-01 00:00:00 UTC"), (-62_167_219_200, "0000-01-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"), (253_402_300_800, "@253402300800"), (Int64.min, "@-9223372036854775808"),
        ])
    func written(seconds: Int64, text: String) {
        #expect(WallTime(secondsSince1970: seconds).description == text)
    }
}
