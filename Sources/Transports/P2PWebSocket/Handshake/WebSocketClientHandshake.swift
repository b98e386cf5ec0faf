import NIOCore
import P2PCore
import P2PHTTPHead
import P2PPipeline

/// Asks for a WebSocket and checks the answer.
struct WebSocketClientHandshake: ChannelDialogue {
    private let request: WebSocketRequest
    private var reader = HTTPResponseReader()

    init(_ request: WebSocketRequest) {
        self.request = request
    }

    var opening: ByteBuffer? { self.request.bytes }

    mutating func received(_ bytes: inout ByteBuffer) throws(TransportError) -> DialogueStep {
        do throws(WebSocketError) {
            guard let response = try self.reader.next(from: &bytes) else { return .more }
            try self.request.check(response)
            return .done
        } catch {
            throw error.asTransportError
        }
    }

    func failure(_ end: DialogueEnd) -> TransportError { WebSocketError(end, before: "the handshake was answered").asTransportError }
}
