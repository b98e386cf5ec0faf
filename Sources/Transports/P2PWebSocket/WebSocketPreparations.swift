import NIOCore
internal import NIOSSL
import P2PCore
import P2PPipeline

/// The dialer's handshakes.
struct WebSocketDialing: ChannelPreparation {
    /// TLS below, and the name that the certificate must be for; without a name it must be for the IP address.
    struct TLS: Sendable {
        let context: NIOSSLContext
        let name: String?
    }

    let request: WebSocketRequest
    let tls: TLS?

    func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            if let tls = self.tls {
                try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls.context, serverHostname: tls.name))
            }
            try channel.pipeline.syncOperations.addHandler(WebSocketClientHandshake(self.request, promise: promise))
        } catch {
            promise.fail(WebSocketError(.closed, "the handshakes can't begin", cause: error).asTransportError)
        }
    }
}

/// The listener's handshakes.
struct WebSocketListening: ChannelPreparation {
    let terms: WebSocketAnswer.Terms
    let certificate: ServerCertificate?

    func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            if let certificate = self.certificate {
                try channel.pipeline.syncOperations.addHandler(certificate.makeHandler())
            }
            try channel.pipeline.syncOperations.addHandler(WebSocketServerHandshake(terms: self.terms, promise: promise))
        } catch {
            promise.fail(WebSocketError(.closed, "the handshakes can't begin", cause: error).asTransportError)
        }
    }
}
