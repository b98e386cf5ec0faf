public import NIOCore
import P2PHTTPHead
public import P2PMultiaddr

/// An application's part of a port: answers requests, talks over WebSockets with pages, takes over connections.
public protocol WebHandler: Sendable {
    /// What to answer; nil leaves a request for a WebSocket to libp2p, and answers any other with 404.
    ///
    /// Runs in a task of the listener's, which is cancelled when the listener stops.
    func reply(to request: WebRequest) async -> WebReply?
}

/// A request that arrived, with its content.
public struct WebRequest: Sendable {
    /// The method, such as `GET`.
    public let method: String
    /// The path and the query, as they were asked for.
    public let target: String
    /// The header fields in their order; names are in lower case.
    public let fields: [(name: String, value: String)]
    /// The content.
    public let content: ByteBuffer
    /// Who asks.
    public let remoteAddress: Multiaddr
    let head: HTTPHead

    /// The path without the query.
    public var path: String { String(self.target.prefix { $0 != "?" }) }
    /// Whether it asks for a WebSocket.
    public var wantsWebSocket: Bool { self.head.list("upgrade", has: "websocket") }
    /// Whether it offers a sub-protocol for a WebSocket, by its exact name (RFC 6455, section 1.9).
    public func offers(subprotocol name: String) -> Bool { self.head.elements("sec-websocket-protocol").contains(name) }
    /// The value of the first field of that name (in lower case).
    public func field(_ name: String) -> String? { self.head.values(name).first }
}

/// Bytes that go both ways, for an application.
public struct WebByteStream: Sendable {
    /// What the peer sends, in pieces of any size; it is read no faster than this is.
    public let inbound: NIOAsyncChannelInboundStream<ByteBuffer>
    /// Writing waits while the peer does not take what was written.
    public let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    /// Comes when the connection is gone, whether or not anybody reads or writes.
    package let closed: EventLoopFuture<Void>
}

/// What an application answers.
public enum WebReply: Sendable {
    /// A response with its content; the connection ends behind it.
    case response(status: Int, fields: [WebSocketHeaderField] = [], content: ByteBuffer = ByteBuffer())
    /// A WebSocket whose binary frames carry a stream of bytes. The connection ends when `body` returns, and when the client gives no sign of
    /// life (``WebLimits/idle``).
    case webSocket(fields: [WebSocketHeaderField] = [], body: @Sendable (WebByteStream) async throws -> Void)
    /// `101 Switching Protocols` to another protocol, and then bytes without frames. The connection ends when `body` returns;
    /// it is for `body` to end one that is silent.
    case upgrade(to: WebSocketHeaderField.Token, fields: [WebSocketHeaderField] = [], body: @Sendable (WebByteStream) async throws -> Void)
}

extension WebSocketHeaderField {
    /// The name of a protocol in `Upgrade`.
    public struct Token: Sendable, Hashable {
        let text: String

        /// Nil unless it is a token (RFC 9110, section 5.6.2), perhaps with a version behind a slash.
        public init?(_ text: String) {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.allSatisfy({ WebSocketHeaderField(String($0), "") != nil }) else { return nil }
            self.text = text
        }
    }
}
