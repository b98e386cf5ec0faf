import NIOCore
import P2PWebSocket
import Synchronization

/// Sends back each message when it is complete.
final class EchoedMessages: WebSocketMessageReceiver {
    /// The longest message that comes back, in bytes; the suite's longest has 16 MiB.
    private static let limit = 64 * 1_024 * 1_024

    private var payload = ByteBuffer()

    func received(_ piece: ByteBuffer, isText: Bool, endsMessage: Bool) -> WebSocketMessage? {
        guard piece.readableBytes <= Self.limit - self.payload.readableBytes else { return nil }
        self.payload.writeImmutableBuffer(piece)
        guard endsMessage else { return nil }
        defer { self.payload = ByteBuffer() }
        return WebSocketMessage(payload: self.payload, isText: isText)
    }
}

/// Keeps what is said, a few bytes of text.
final class FirstMessage: WebSocketMessageReceiver, Sendable {
    private let bytes = Mutex(ByteBuffer())

    var text: String { self.bytes.withLock { String(buffer: $0) } }

    func received(_ piece: ByteBuffer, isText: Bool, endsMessage: Bool) -> WebSocketMessage? {
        self.bytes.withLock { bytes in
            if bytes.readableBytes + piece.readableBytes <= 16 { bytes.writeImmutableBuffer(piece) }
        }
        return nil
    }
}
