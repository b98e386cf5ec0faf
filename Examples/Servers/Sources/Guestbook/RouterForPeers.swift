import HTTPTypes
import Hummingbird
import P2P
import P2PHTTP

/// A Hummingbird router, with its middleware, as something that `HTTPService` serves to peers: no socket and no second parser in between.
struct RouterForPeers<Responder: Hummingbird.HTTPResponder>: P2PHTTP.HTTPResponder where Responder.Context == PeerContext {
    private let responder: Responder

    init(_ responder: Responder) { self.responder = responder }

    func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse {
        let context = PeerContext(source: PeerSource(peer: request.peer))
        let inner = Request(head: request.head, body: RequestBody(asyncSequence: request.body))
        let response: Response
        do {
            response = try await self.responder.respond(to: inner, context: context)
        } catch let error as any HTTPResponseError {
            response = try error.response(from: inner, context: context)
        }
        let length = response.body.contentLength.map { UInt64($0) }
        return HTTPPeerResponse(response.head, .pieces(length: length) { try await response.body.write(PeerBodyWriter(writer: $0)) })
    }
}

/// Takes a body of Hummingbird's as fast as the peer does.
private struct PeerBodyWriter: ResponseBodyWriter {
    let writer: HTTPBodyWriter

    mutating func write(_ buffer: ByteBuffer) async throws { try await self.writer.write(buffer) }
    /// Trailers are not sent.
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
