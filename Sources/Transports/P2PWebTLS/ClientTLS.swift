import NIOCore
package import P2PCore
package import P2PPipeline
import Synchronization

#if TLS
    internal import NIOSSL
#endif

/// A dialer's side of TLS, made when it is first needed: reading the system's roots takes a while. Without the package trait TLS
/// every dial fails and names it.
package final class ClientTLS: Sendable {
    /// How long this end waits for the other's part in the end of TLS; what follows is lost then.
    private static let closing = TimeAmount.seconds(1)

    private let trust: ServerTrust
    #if TLS
        private let context = Mutex<NIOSSLContext?>(nil)
    #endif

    package init(_ trust: ServerTrust) {
        self.trust = trust
    }

    /// The part of a dial that makes a channel secure.
    ///
    /// - Parameters:
    ///   - identity: who has to be there; nil is nobody, unless anybody will do.
    ///   - subject: what errors call the other end.
    /// - Throws: ``TransportError/Code/securityFailed`` when there is no list of authorities, for instance; ``TransportError/Code/notBuiltIn``.
    package func dialing(to identity: ServerIdentity?, as subject: String) throws(TransportError) -> any ChannelPreparation {
        #if TLS
            TLSDialing(context: try self.makeContext(), identity: identity, isChecked: self.trust != .anybody, subject: subject)
        #else
            throw TransportError(.notBuiltIn, "\(subject): TLS is not built in; build with the package trait TLS (on by default, or Full)")
        #endif
    }

    #if TLS
        private func makeContext() throws(TransportError) -> NIOSSLContext {
            let result: Result<NIOSSLContext, TransportError> = self.context.withLock { known in
                if let known { return .success(known) }
                do {
                    let context = try NIOSSLContext(configuration: self.configuration)
                    known = context
                    return .success(context)
                } catch {
                    return .failure(TransportError(.securityFailed, "TLS can't be set up to dial with", cause: error))
                }
            }
            return try result.get()
        }

        private var configuration: TLSConfiguration {
            var configuration = TLSConfiguration.makeClientConfiguration()
            // Whose certificate it is, is looked at afterwards: NIO takes the address that it is connected to for a name that will do.
            configuration.certificateVerification = .noHostnameVerification
            switch self.trust {
            case .systemRoots: break
            case .authorities(let file): configuration.trustRoots = .file(file)
            case .anybody: configuration.certificateVerification = .none
            }
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            configuration.shutdownTimeout = Self.closing
            return configuration
        }
    #endif
}
