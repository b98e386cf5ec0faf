import NIOCore
internal import NIOSSL

/// How TLS is spoken with a server.
public struct SocketTLS: Sendable {
    /// Which certificates are believed.
    public enum Trust: Hashable, Sendable {
        /// Those that the system believes.
        case system
        /// Those signed by these, in PEM.
        case authorities(pem: String)
        /// Any: whoever is on the way can read and change everything.
        case unverified
    }

    /// Whom the certificate has to be for; nil for the host that was asked for.
    public var serverName: String?
    /// Which certificates are believed.
    public var trust: Trust
    /// What is offered in ALPN.
    public var applicationProtocols: [String]

    /// The parts, as documented above.
    public init(serverName: String? = nil, trust: Trust = .system, applicationProtocols: [String] = []) {
        self.serverName = serverName
        self.trust = trust
        self.applicationProtocols = applicationProtocols
    }

    func makeContext() throws(SocketError) -> NIOSSLContext {
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.applicationProtocols = self.applicationProtocols
            switch self.trust {
            case .system: break
            case .authorities(let pem):
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)))
            case .unverified: configuration.certificateVerification = .none
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw SocketError(.invalidArgument, "TLS can't be set up so: \(error)")
        }
    }

    /// The name that a certificate has to carry; nil where an address was named, which NIOSSL looks for, or anybody is believed.
    func wantedName(_ host: String) -> String? {
        let name = self.serverName ?? host
        let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
        return self.trust == .unverified || isAddress ? nil : name
    }

    /// A handler for one connection.
    static func handler(_ context: NIOSSLContext, serverName: String) throws -> NIOSSLClientHandler {
        do {
            return try NIOSSLClientHandler(context: context, serverHostname: serverName)
        } catch let error as NIOSSLExtraError where error == .cannotUseIPAddressInSNI {
            return try NIOSSLClientHandler(context: context, serverHostname: nil)
        }
    }
}

/// A server's certificates and its key.
public struct SocketCertificate: Sendable {
    /// The chain, its own certificate first, in PEM.
    public var chain: String
    /// The private key, in PEM.
    public var key: String

    /// The parts, as documented above.
    public init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }

    func makeContext() throws(SocketError) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMBytes(Array(self.chain.utf8)).map { NIOSSLCertificateSource.certificate($0) }
            let key = try NIOSSLPrivateKey(bytes: Array(self.key.utf8), format: .pem)
            return try NIOSSLContext(configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        } catch {
            throw SocketError(.invalidArgument, "the certificate or its key is none: \(error)")
        }
    }
}
