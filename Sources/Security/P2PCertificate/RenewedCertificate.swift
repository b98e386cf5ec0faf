import P2PCore
package import P2PIdentity
import Synchronization

/// A host's certificate in the form that a TLS library takes, and the next one when its time has come.
package final class RenewedCertificate<Loaded: Sendable>: Sendable {
    /// Hands a certificate and its key to the library.
    package typealias Load = @Sendable (HostCertificate) throws(CertificateError) -> Loaded

    private struct Current {
        var loaded: Loaded
        var renewal: WallTime
    }

    private let identity: any IdentityKey
    private let metadata: [UInt8]
    private let load: Load
    private let state: Mutex<Current>

    /// Makes the first certificate.
    package static func make(
        identity: any IdentityKey, metadata: [UInt8], now: WallTime, load: @escaping Load
    ) async throws(CertificateError) -> RenewedCertificate {
        let certificate = try await HostCertificate.make(identity: identity, metadata: metadata, now: now)
        let first = Current(loaded: try load(certificate), renewal: certificate.renewal)
        return RenewedCertificate(identity: identity, metadata: metadata, load: load, first: first)
    }

    private init(identity: any IdentityKey, metadata: [UInt8], load: @escaping Load, first: Current) {
        self.identity = identity
        self.metadata = metadata
        self.load = load
        self.state = Mutex(first)
    }

    /// What new handshakes use.
    package var current: Loaded { self.state.withLock(\.loaded) }

    /// Makes the next certificate when it is time for it; connections that stand keep theirs.
    ///
    /// - Returns: whether it was time.
    @discardableResult
    package func renew(now: WallTime) async throws(CertificateError) -> Bool {
        guard now >= self.state.withLock(\.renewal) else { return false }
        let certificate = try await HostCertificate.make(identity: self.identity, metadata: self.metadata, now: now)
        let next = Current(loaded: try self.load(certificate), renewal: certificate.renewal)
        self.state.withLock { $0 = next }
        return true
    }

    /// Replaces the certificate in time, 30 days before it expires; runs until cancelled.
    ///
    /// It looks at the calendar every hour rather than sleep for months, since machines sleep too and clocks are set. An identity
    /// that refuses to sign is asked again an hour later.
    package func keepFresh() async {
        while !Task.isCancelled {
            _ = try? await self.renew(now: .now)
            try? await Task.sleep(for: CertificateLimits.calendarInterval)
        }
    }
}
