package import NIOCore

/// A message of a WebSocket (RFC 6455, section 5.6).
package struct WebSocketMessage: Equatable, Sendable {
    package var payload: ByteBuffer
    package var isText: Bool

    package init(payload: ByteBuffer = ByteBuffer(), isText: Bool = false) {
        self.payload = payload
        self.isText = isText
    }
}

/// Takes messages where their bounds and their kind matter, as libp2p's do not: for checks of the frames below.
package protocol WebSocketMessageReceiver: AnyObject {
    /// Takes a piece of a message as it comes in; text is UTF-8, but for a character that is cut at the piece's end.
    ///
    /// On the event loop.
    /// - Returns: a message to send, in one frame.
    func received(_ piece: ByteBuffer, isText: Bool, endsMessage: Bool) -> WebSocketMessage?
}
