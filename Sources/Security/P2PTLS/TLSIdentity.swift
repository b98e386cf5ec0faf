import P2PCertificate
import P2PIdentity
import Synchronization

/// A host's certificate, and the next one when its time has come.
final class TLSIdentity: Sendable {
    private struct Current {
        var contexts: TLSContexts
        var renewal: WallTime
    }

    private let identity: any IdentityKey
    private let metadata: [UInt8]
    private let current: Mutex<Current>

    /// Makes the first certificate.
    static func make(identity: any IdentityKey, metadata: [UInt8], now: WallTime) async throws(TLSError) -> TLSIdentity {
        TLSIdentity(identity: identity, metadata: metadata, certificate: try await Self.certificate(identity, metadata, now: now))
    }

    private init(identity: any IdentityKey, metadata: [UInt8], certificate: HostCertificate) {
        self.identity = identity
        self.metadata = metadata
        self.current = Mutex(Current(contexts: TLSContexts(certificate: certificate), renewal: certificate.renewal))
    }

    /// What new handshakes use.
    var contexts: TLSContexts { self.current.withLock(\.contexts) }

    /// Makes the next certificate when it is time for it; connections that stand keep theirs.
    ///
    /// - Returns: whether it was time.
    @discardableResult
    func renew(now: WallTime) async throws(TLSError) -> Bool {
        guard now >= self.current.withLock(\.renewal) else { return false }
        let certificate = try await Self.certificate(self.identity, self.metadata, now: now)
        let next = Current(contexts: TLSContexts(certificate: certificate), renewal: certificate.renewal)
        self.current.withLock { $0 = next }
        return true
    }

    private static func certificate(
        _ identity: any IdentityKey, _ metadata: [UInt8], now: WallTime
    ) async throws(TLSError) -> HostCertificate {
        do throws(CertificateError) {
            return try await HostCertificate.make(identity: identity, metadata: metadata, now: now)
        } catch {
            throw TLSError(.certificateNotMade, "the host's certificate could not be made", cause: error)
        }
    }
}
