#if TLS
    import NIOCore
    import NIOSSL
    import P2PCore

    extension TLSError {
        /// What an error of the library, or of the channel, means.
        ///
        /// - Parameter isSecured: whether the handshake was done.
        init(_ error: any Error, isSecured: Bool) {
            switch error {
            case let error as TLSError:
                self = error
            case NIOSSLError.uncleanShutdown:
                self.init(.truncated, "the connection ended without close_notify", cause: error)
            case NIOSSLError.handshakeFailed(.sslError(let stack)) where stack.contains(.eofDuringHandshake):
                self.init(.truncated, "the connection ended before the handshake was done", cause: error)
            case NIOSSLError.handshakeFailed(let failure):
                self.init(LibraryReason(failure), else: .handshakeFailed, cause: error)
            case let failure as BoringSSLError:
                self.init(LibraryReason(failure), else: isSecured ? .recordRefused : .handshakeFailed, cause: error)
            case NIOSSLError.shutdownFailed:
                self.init(.closed, "the channel was closed before the handshake was done", cause: error)
            default:
                self.init(.closed, "the channel broke", cause: error)
            }
        }

        /// Whether an error is the socket's, not of TLS.
        static func isForeign(_ error: any Error) -> Bool {
            error is IOError || error is ChannelError || error is StreamError
        }

        private init(_ reason: LibraryReason, else code: Code, cause: any Error) {
            switch reason.name {
            case "UNSUPPORTED_PROTOCOL", "NO_SUPPORTED_VERSIONS_ENABLED", "TLSV1_ALERT_PROTOCOL_VERSION":
                self.init(.unsupportedVersion, "the peer does not speak TLS 1.3", cause: cause)
            case "PEER_DID_NOT_RETURN_A_CERTIFICATE":
                self.init(.noCertificate, "the peer presented no certificate", cause: cause)
            case "TLSV1_ALERT_NO_APPLICATION_PROTOCOL":
                self.init(.noApplicationProtocol, "the peer speaks none of the application protocols that were offered", cause: cause)
            case let name where name.contains("_ALERT_"):
                let alert = name.split(separator: "_").drop { $0 != "ALERT" }.dropFirst().joined(separator: " ").lowercased()
                self.init(.alerted, "the peer ended the connection with the alert \"\(alert)\"", cause: cause)
            case "":
                self.init(code, code == .recordRefused ? "a record is refused" : "the handshake failed", cause: cause)
            case let name:
                let what = code == .recordRefused ? "a record is refused" : "the handshake failed"
                self.init(code, "\(what): \(name.lowercased().replacing("_", with: " "))", cause: cause)
            }
        }
    }

    /// The name that BoringSSL gives to what went wrong; empty when it gives none.
    ///
    /// The library keeps its codes to itself: the name stands in the description, behind the last colon before the source line, as in
    /// `error:100000f0:SSL routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL at …`.
    private struct LibraryReason {
        let name: String

        init(_ error: BoringSSLError) {
            guard case .sslError(let stack) = error, let first = stack.first else {
                self.name = ""
                return
            }
            let words = first.description.split(separator: " ")
            let reason = words.last { $0.contains(":OPENSSL_internal:") } ?? ""
            self.name = reason.split(separator: ":").last.map(String.init) ?? ""
        }
    }
#endif
