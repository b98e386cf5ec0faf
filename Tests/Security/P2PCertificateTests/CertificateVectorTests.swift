import Foundation
import P2PCore
import P2PIdentity
import P2PVectors
import Testing

@testable import P2PCertificate

/// Every certificate of the public vectors, judged as their makers judge it.
@Suite(.enabled(if: Vectors.exist("tls-certs"), "\(Vectors.areAbsent)")) struct CertificateVectorTests {
    private struct SpecVector: Decodable {
        let name: String
        let certificate: HexBytes
        let peer: String?
        let isValid: Bool

        enum CodingKeys: String, CodingKey {
            case name, certificate = "certificate_der_hex", peer = "peer_id", isValid = "valid"
        }
    }

    private static let folder = "tls-certs/transports/tls/src/test_assets"
    /// Within the dates of those of the vectors that are long expired.
    private static let newYear2022 = WallTime(secondsSince1970: 1_640_995_200)

    @Test("The specification's own vectors are judged as it says, and name the peer that it says")
    func specification() throws {
        let vectors = try Vectors.json([SpecVector].self, "tls-certs/specs-tls-vectors.json")
        #expect(vectors.count == 4)
        for vector in vectors {
            #if !OpenSSL
                if vector.name.contains("secp256k1") { continue }
            #endif
            do throws(CertificateError) {
                let certified = try CertifiedPeer.verify(chainDER: [vector.certificate.bytes], expecting: nil)
                #expect(vector.isValid, "\(vector.name)")
                #expect(certified.peer.description == vector.peer, "\(vector.name)")
                #expect(certified.metadata == nil)
            } catch {
                #expect(!vector.isValid, "\(vector.name): \(error)")
                #expect(error.code == .invalidHostSignature, "\(vector.name): \(error)")
            }
        }
    }

    @Test("An RSA-PSS certificate is accepted")
    func rsaPSS() throws {
        let certificate = try Vectors.bytes("\(Self.folder)/rsa_pss_sha384.der")
        #expect(throws: Never.self) { try CertifiedPeer.verify(chainDER: [certificate], expecting: nil) }
    }

    @Test(
        "A well-formed certificate whose key no host signed is refused",
        arguments: [
            ("ed25519", CertificateError.Code.invalidHostSignature), ("ed448", .unsupportedAlgorithm),
            ("rsa_pkcs1_sha256", .invalidHostSignature), ("rsa_pkcs1_sha384", .invalidHostSignature),
            ("rsa_pkcs1_sha512", .invalidHostSignature), ("nistp256_sha256", .invalidHostSignature),
            ("nistp384_sha384", .invalidHostSignature), ("nistp521_sha512", .invalidHostSignature),
            ("nistp384_sha256", .unsupportedAlgorithm),
        ])
    func refused(name: String, code: CertificateError.Code) throws {
        let certificate = try Vectors.bytes("\(Self.folder)/\(name).der")
        #expect(refusal(of: certificate, now: Self.newYear2022) == code)
        // Their dates, which are over, are no reason while there is another.
        #expect(refusal(of: certificate) == code)
    }

    @Test("The unmarked vector is refused without harm")
    func unmarked() throws {
        let certificate = try Vectors.bytes("\(Self.folder)/pkcs1_sha256.der")
        #expect(refusal(of: certificate, now: Self.newYear2022) == .invalidHostSignature)
    }
}
