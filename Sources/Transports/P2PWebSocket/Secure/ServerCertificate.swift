#if TLS
    import Logging
    import NIOCore
    internal import NIOSSL
    import P2PCore
    import P2PPipeline
    import Synchronization

    /// A listener's certificate, read again when its files change.
    final class ServerCertificate: Sendable {
        /// How often the files are looked at. A renewed certificate is shown that much later at most.
        static let reloadInterval = Duration.seconds(5)

        private struct Loaded: Sendable {
            var chain: [NIOSSLCertificate]
            var context: NIOSSLContext
        }

        private let files: WebSocketTLS.Certificate
        private let logger: Logger
        private let loaded: Mutex<Loaded>

        init(_ files: WebSocketTLS.Certificate, logger: Logger) throws(TransportError) {
            self.files = files
            self.logger = logger
            do {
                let chain = try NIOSSLCertificate.fromPEMFile(files.chainFile)
                self.loaded = Mutex(Loaded(chain: chain, context: try Self.makeContext(chain, files)))
            } catch {
                throw TransportError(
                    .securityFailed, "no certificate for TLS can be made of \(files.chainFile) and \(files.keyFile)", cause: error)
            }
        }

        private static func makeContext(_ chain: [NIOSSLCertificate], _ files: WebSocketTLS.Certificate) throws -> NIOSSLContext {
            let key = try NIOSSLPrivateKey(file: files.keyFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            configuration.shutdownTimeout = WebSocketLimits.closing
            return try NIOSSLContext(configuration: configuration)
        }

        /// Makes the channel of a new arrival secure from here on.
        func protect(_ channel: any Channel) throws {
            ReadRoom.expectLibrary(in: channel)
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: self.loaded.withLock(\.context)))
        }

        /// Looks at the files until cancelled.
        func watch() async {
            var lastFailure = ""
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.reloadInterval)
                guard !Task.isCancelled else { return }
                do {
                    if try self.reload() { self.logger.info("a new certificate is shown from now on") }
                    lastFailure = ""
                } catch {
                    // Half of a renewal, perhaps: the old certificate stays until both files fit.
                    guard lastFailure != "\(error)" else { continue }
                    lastFailure = "\(error)"
                    self.logger.warning("the certificate can't be read again, the old one stays", metadata: ["reason": "\(error)"])
                }
            }
        }

        /// Reads the files again; whether they held something new.
        func reload() throws -> Bool {
            let chain = try NIOSSLCertificate.fromPEMFile(self.files.chainFile)
            guard chain != self.loaded.withLock(\.chain) else { return false }
            let fresh = Loaded(chain: chain, context: try Self.makeContext(chain, self.files))
            self.loaded.withLock { $0 = fresh }
            return true
        }
    }
#else
    import Logging
    import NIOCore
    import P2PCore

    /// There is none where TLS is not built in.
    struct ServerCertificate: Sendable {
        private let none: Never

        init(_ files: WebSocketTLS.Certificate, logger: Logger) throws(TransportError) {
            throw TransportError(
                .notBuiltIn,
                "the certificate in \(files.chainFile) can't be shown: TLS is not built in; build with the package trait TLS (on by default, or Full)"
            )
        }

        func protect(_ channel: any Channel) throws { switch self.none {} }

        func watch() async { switch self.none {} }
    }
#endif
