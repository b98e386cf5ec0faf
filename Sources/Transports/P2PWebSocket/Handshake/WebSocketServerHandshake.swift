import NIOCore
import P2PCore
import P2PHTTPHead
import P2PPipeline

/// Answers a request for a WebSocket.
struct WebSocketServerHandshake: ChannelDialogue {
    private let terms: WebSocketAnswer.Terms
    private var reader = HTTPHeadReader()
    /// What was sent.
    private var answer: WebSocketAnswer?

    init(_ terms: WebSocketAnswer.Terms) {
        self.terms = terms
    }

    var opening: ByteBuffer? { nil }

    mutating func received(_ bytes: inout ByteBuffer) throws(TransportError) -> DialogueStep {
        do throws(WebSocketError) {
            switch self.answer {
            case .accept: return .done
            case .refuse(_, let error): throw error
            case nil: break
            }
            guard let request = try self.reader.next(from: &bytes) else { return .more }
            let answer = WebSocketAnswer(to: request, terms: self.terms)
            self.answer = answer
            return .send(answer.bytes)
        } catch {
            throw error.asTransportError
        }
    }

    func failure(_ end: DialogueEnd) -> TransportError { WebSocketError(end, before: "a handshake was asked for").asTransportError }
}
