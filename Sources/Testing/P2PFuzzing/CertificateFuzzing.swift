import Crypto
import P2PCertificate
import P2PCore
import P2PIdentity

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Certificates of peers: refused for a reason, or of a peer that is who it says.
enum CertificateFuzzing {
    /// A day at which all that is made here is valid, and most of the public vectors.
    private static let now = WallTime(secondsSince1970: 1_640_995_200)

    /// The first byte says what the others are: a certificate, or for an odd one what goes into a certificate that is signed as it should be.
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let certificate: [UInt8]
        if input.byte() & 1 == 0 {
            certificate = input.remainder()
        } else {
            let metadata = input.take(Int(input.byte()))
            certificate = self.certificate(extension: input.remainder(), metadata: metadata)
        }
        self.judge(certificate)
    }

    private static func judge(_ certificate: [UInt8]) {
        guard let peer = self.verify([certificate]) else { return }
        precondition(peer.peer == PeerID(peer.key), "a certificate proves another peer than its host key names")
        precondition((peer.metadata?.count ?? 0) <= CertificateLimits.maximumMetadata, "metadata beyond the limit")
        precondition(certificate.count <= CertificateLimits.maximumSize, "a certificate beyond the limit is accepted")
        precondition(self.verify([certificate], expecting: peer.peer) == peer, "the same certificate is refused")
        precondition(self.verify([certificate, certificate]) == nil, "two certificates are accepted")
        if peer.peer != FuzzIdentity.peer {
            precondition(self.verify([certificate], expecting: FuzzIdentity.peer) == nil, "another peer is accepted than the one expected")
        }
        precondition(self.verify([certificate], now: WallTime(secondsSince1970: .max)) == nil, "a certificate never expires")
    }

    private static func verify(_ chain: [[UInt8]], expecting: PeerID? = nil, now: WallTime = Self.now) -> CertifiedPeer? {
        try? CertifiedPeer.verify(chainDER: chain, expecting: expecting, now: now)
    }

    // MARK: Certificates that are signed as they should be

    /// The certificate's own key; Ed25519, because its signatures are the same in every run.
    private static let key: Curve25519.Signing.PrivateKey = {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: [UInt8](repeating: 0x42, count: 32)) else {
            preconditionFailure("32 bytes are not an Ed25519 key")
        }
        return key
    }()

    private static let algorithm = Self.element(0x30, [0x06, 0x03, 0x2b, 0x65, 0x70])
    private static let keyInfo: [UInt8] = {
        let point = [0] + Array(Self.key.publicKey.rawRepresentation)
        return Self.element(0x30, Self.algorithm + Self.element(0x03, point))
    }()

    /// What the extension should hold.
    static let signedKey: [UInt8] = {
        let signature = FuzzIdentity.sign(Array("libp2p-tls-handshake:".utf8) + Self.keyInfo)
        return Self.element(0x30, Self.element(0x04, FuzzIdentity.publicKeyMessage) + Self.element(0x04, signature))
    }()

    /// A certificate with these contents of its two extensions.
    static func certificate(extension value: [UInt8], metadata: [UInt8]) -> [UInt8] {
        let keyID: [UInt8] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xa2, 0x5a, 0x01, 0x01]
        let wordsID: [UInt8] = [0x06, 0x07, 0x69, 0x85, 0x9a, 0xc0, 0xe4, 0x50, 0x01]
        let key = self.element(0x30, keyID + self.element(0x04, value))
        let words = self.element(0x30, wordsID + self.element(0x04, metadata))
        let dates = self.element(0x30, self.element(0x17, Array("200101000000Z".utf8)) + self.element(0x17, Array("490101000000Z".utf8)))
        let extensions = self.element(0xa3, self.element(0x30, metadata.isEmpty ? key : key + words))
        let name: [UInt8] = [0x30, 0x00]
        let version: [UInt8] = [0xa0, 0x03, 0x02, 0x01, 0x02]
        let serial: [UInt8] = [0x02, 0x01, 0x07]
        let body = self.element(0x30, version + serial + self.algorithm + name + dates + name + self.keyInfo + extensions)
        guard let signature = try? self.key.signature(for: body) else { preconditionFailure("the certificate's key does not sign") }
        let bits: [UInt8] = [0] + Array(signature)
        return self.element(0x30, body + self.algorithm + self.element(0x03, bits))
    }

    /// An element of DER.
    static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        switch content.count {
        case ..<0x80: [tag, UInt8(content.count)] + content
        case ..<0x100: [tag, 0x81, UInt8(content.count)] + content
        default: [tag, 0x82, UInt8(content.count >> 8 & 0xff), UInt8(content.count & 0xff)] + content
        }
    }
}
