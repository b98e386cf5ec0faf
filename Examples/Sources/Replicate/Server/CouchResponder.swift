import Foundation
import HTTPTypes
import NIOCore
import P2P
import P2PHTTP

/// The store as HTTP: for peers that are named, and for this machine's programs.
struct CouchResponder: HTTPResponder {
    /// Bytes of one request's body.
    static let longestBody = 16 * 1_024 * 1_024
    private static let boundary = "swift-p2p-replicate"

    let server: CouchServer
    /// Who may ask; a peer has proved its id.
    let guests: Set<PeerID>

    func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse {
        do {
            guard self.guests.contains(request.peer) else { throw Refusal.forbidden("\(request.peer) is not allowed here") }
            let bytes = try await request.body.collect(upTo: Self.longestBody)
            return try self.response(await self.server.answer(try Self.question(request.head, bytes)))
        } catch let refusal as Refusal {
            return try self.response(Reply(refusal.json, status: refusal.status))
        }
    }

    private static func question(_ head: HTTPRequest, _ bytes: ByteBuffer) throws(Refusal) -> Question {
        var body: JSON?
        if bytes.readableBytes > 0 {
            do { body = try JSON.parse(bytes.readableBytesView) } catch { throw .badRequest("invalid UTF-8 JSON") }
        }
        var question = try Question(method: head.method.rawValue, target: head.path ?? "/", body: body)
        question.accept = head.headerFields[.accept] ?? ""
        question.destination = HTTPField.Name("Destination").flatMap { head.headerFields[$0] }
        return question
    }

    private func response(_ reply: Reply) throws -> HTTPPeerResponse {
        var head = HTTPResponse(
            status: .init(code: reply.status), headerFields: [.contentType: "application/json", .cacheControl: "must-revalidate"])
        if let tag = reply.tag { head.headerFields[.eTag] = "\"\(tag)\"" }
        switch reply.body {
        case .json(let json): return HTTPPeerResponse(head, .bytes(ByteBuffer(bytes: json.bytes + [0x0a])))
        case .feed(let feed):
            return HTTPPeerResponse(head, .pieces { writer in try await feed { try await writer.write(ByteBuffer(string: $0)) } })
        case .parts(let parts):
            head.headerFields[.contentType] = "multipart/mixed; boundary=\"\(Self.boundary)\""
            return HTTPPeerResponse(head, .bytes(try Self.multipart(parts)))
        }
    }

    /// Documents as they are, and what is missing as CouchDB says it.
    private static func multipart(_ parts: [JSON]) throws -> ByteBuffer {
        var bytes = ByteBuffer()
        for part in parts {
            let isMissing = part["missing"] != nil
            bytes.writeString("--\(self.boundary)\r\nContent-Type: application/json\(isMissing ? "; error=\"true\"" : "")\r\n\r\n")
            bytes.writeBytes((part["ok"] ?? part).bytes)
            bytes.writeString("\r\n")
        }
        bytes.writeString("--\(self.boundary)--\r\n")
        return bytes
    }
}
