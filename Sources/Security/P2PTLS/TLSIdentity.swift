import P2PCertificate
import P2PCore
import P2PIdentity

/// A host's certificate, and the next one when its time has come.
final class TLSIdentity: Sendable {
    private let certificate: RenewedCertificate<TLSContexts>

    /// Makes the first certificate.
    static func make(identity: any IdentityKey, metadata: [UInt8], now: WallTime) async throws(TLSError) -> TLSIdentity {
        do throws(CertificateError) {
            let certificate = try await RenewedCertificate.make(identity: identity, metadata: metadata, now: now) {
                TLSContexts(certificate: $0)
            }
            return TLSIdentity(certificate)
        } catch {
            throw Self.notMade(error)
        }
    }

    private init(_ certificate: RenewedCertificate<TLSContexts>) {
        self.certificate = certificate
    }

    /// What new handshakes use.
    var contexts: TLSContexts { self.certificate.current }

    /// Makes the next certificate when it is time for it; connections that stand keep theirs.
    ///
    /// - Returns: whether it was time.
    @discardableResult
    func renew(now: WallTime) async throws(TLSError) -> Bool {
        do throws(CertificateError) {
            return try await self.certificate.renew(now: now)
        } catch {
            throw Self.notMade(error)
        }
    }

    /// Replaces the certificate in time; runs until cancelled.
    func keepFresh() async { await self.certificate.keepFresh() }

    private static func notMade(_ error: CertificateError) -> TLSError {
        TLSError(.certificateNotMade, "the host's certificate could not be made", cause: error)
    }
}
