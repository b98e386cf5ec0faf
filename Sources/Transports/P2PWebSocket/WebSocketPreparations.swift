package import NIOCore
import P2PCore
import P2PPipeline

/// The dialer's handshake.
package struct WebSocketDialing: ChannelPreparation {
    let request: WebSocketRequest
    let messages: (@Sendable () -> any WebSocketMessageReceiver)?

    init(request: WebSocketRequest) {
        self.request = request
        self.messages = nil
    }

    /// A request in the clear for a WebSocket of messages.
    package init(path: String, host: String, messages: @escaping @Sendable () -> any WebSocketMessageReceiver) {
        self.request = WebSocketRequest(path: path, host: host, fields: [])
        self.messages = messages
    }

    package func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            try channel.pipeline.syncOperations.addHandler(
                DialogueHandler(WebSocketClientHandshake(self.request), promise: promise) {
                    WebSocketHandler(side: .client, pool: .of($0), messages: self.messages?())
                })
        } catch {
            promise.fail(WebSocketError(.closed, "the handshake can't begin", cause: error).asTransportError)
        }
    }
}

/// The listener's handshakes.
package struct WebSocketListening: ChannelPreparation {
    let terms: WebSocketAnswer.Terms
    let certificate: ServerCertificate?
    let messages: (@Sendable () -> any WebSocketMessageReceiver)?

    init(terms: WebSocketAnswer.Terms, certificate: ServerCertificate?) {
        self.terms = terms
        self.certificate = certificate
        self.messages = nil
    }

    /// Answers whoever asks for a WebSocket in the clear with one of messages.
    package init(messages: @escaping @Sendable () -> any WebSocketMessageReceiver) {
        self.terms = WebSocketAnswer.Terms()
        self.certificate = nil
        self.messages = messages
    }

    package func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>) {
        do {
            try self.certificate?.protect(channel)
            try channel.pipeline.syncOperations.addHandler(
                DialogueHandler(WebSocketServerHandshake(self.terms), promise: promise) {
                    WebSocketHandler(side: .server, pool: .of($0), messages: self.messages?())
                })
        } catch {
            promise.fail(WebSocketError(.closed, "the handshakes can't begin", cause: error).asTransportError)
        }
    }
}
