#if TLS
    package import NIOCore
    internal import NIOSSL
    import NIOTLS
    import P2PCore
    import P2PPipeline
    import SwiftASN1
    import X509

    /// TLS as clients of the web speak it, before anything else is said on a channel.
    package struct TLSDialing: ChannelPreparation {
        let context: NIOSSLContext
        let identity: ServerIdentity?
        let isChecked: Bool
        let subject: String

        package func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
            do {
                let name: String? = if case .name(let name)? = self.identity { name } else { nil }
                let tls = try NIOSSLClientHandler(context: self.context, serverHostname: name)
                ReadRoom.expectLibrary(in: channel)
                try channel.pipeline.syncOperations.addHandlers(tls, ServerCheck(tls, self, promise: promise))
            } catch {
                promise.fail(TransportError(.closed, "\(self.subject): TLS can't begin", cause: error))
            }
        }

        /// - Throws: ``TransportError/Code/securityFailed`` for the certificate of somebody else.
        fileprivate func check(_ certificate: NIOSSLCertificate?) throws(TransportError) {
            guard self.isChecked else { return }
            guard let identity = self.identity else { throw self.insecure("the address says of nobody who has to be there") }
            let isNamed: Bool
            do {
                guard let certificate else { throw self.insecure("there is no certificate") }
                isNamed = try identity.isNamed(in: Certificate(derEncoded: certificate.toDERBytes()))
            } catch let error as TransportError {
                throw error
            } catch {
                throw self.insecure("the names in the certificate can't be read", error)
            }
            guard isNamed else { throw self.insecure("the certificate is not for \(identity)") }
        }

        private func insecure(_ message: String, _ cause: (any Error)? = nil) -> TransportError {
            TransportError(.securityFailed, "\(self.subject): \(message)", cause: cause)
        }

        /// What an error of the channel means before TLS is done.
        fileprivate func broken(by error: any Error) -> TransportError {
            if error is IOError || error is ChannelError {
                return TransportError(.closed, "\(self.subject): the channel broke before TLS was done", cause: error)
            }
            return self.insecure("TLS failed", error)
        }
    }

    /// Waits until TLS has shaken hands, and looks whether the certificate is for whom was asked for.
    private final class ServerCheck: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = ByteBuffer

        private let tls: NIOSSLClientHandler
        private let dialing: TLSDialing
        /// Nil once that is known.
        private var promise: EventLoopPromise<Void>?

        init(_ tls: NIOSSLClientHandler, _ dialing: TLSDialing, promise: EventLoopPromise<Void>) {
            self.tls = tls
            self.dialing = dialing
            self.promise = promise
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            // Not passed on: those behind have their own TLS, if any.
            guard let promise = self.promise, case .handshakeCompleted? = event as? TLSUserEvent else {
                return context.fireUserInboundEventTriggered(event)
            }
            do throws(TransportError) {
                try self.dialing.check(self.tls.peerCertificate)
            } catch {
                self.fail(error)
                return context.close(promise: nil)
            }
            self.promise = nil
            promise.assumeIsolated().succeed(())
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.fail(TransportError(.closed, "\(self.dialing.subject): the connection ended before TLS was done"))
            context.fireChannelInactive()
        }

        func handlerRemoved(context: ChannelHandlerContext) {
            self.fail(TransportError(.closed, "\(self.dialing.subject): the channel was taken down before TLS was done"))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            self.fail(self.dialing.broken(by: error))
            context.fireErrorCaught(error)
        }

        private func fail(_ error: TransportError) {
            let promise = self.promise
            self.promise = nil
            promise?.fail(error)
        }
    }
#endif
