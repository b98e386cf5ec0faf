import Foundation
import HTTPTypes
import NIOCore
import P2P
import P2PHTTP

/// One end of a replication: something that answers as CouchDB does.
protocol Replica: Sendable {
    /// Who it is, for the name of the checkpoint.
    var name: String { get }

    /// Asks, and waits for the whole answer.
    ///
    /// - Throws: ``Refusal`` where the answer is one.
    func ask(_ method: String, _ target: String, _ body: JSON?) async throws -> JSON
}

/// The store of this node.
struct LocalReplica: Replica {
    let name: String
    let server: CouchServer

    func ask(_ method: String, _ target: String, _ body: JSON?) async throws -> JSON {
        let reply = try await self.server.answer(try Question(method: method, target: target, body: body))
        switch reply.body {
        case .json(let json): return json
        case .parts(let parts): return .list(parts)
        case .feed(let feed):
            let text = Text()
            try await feed { await text.append($0) }
            return try JSON.parse(await text.all.utf8)
        }
    }

    private actor Text {
        private(set) var all = ""
        func append(_ piece: String) { self.all += piece }
    }
}

/// The store of a peer, over a connection on which both have proved who they are. Any CouchDB behind `p2p http serve` is one, too.
struct RemoteReplica: Replica {
    /// Bytes of one answer.
    private static let longestAnswer = 64 * 1_024 * 1_024

    let connection: PeerConnection

    var name: String { "\(self.connection.remotePeer)" }

    func ask(_ method: String, _ target: String, _ body: JSON?) async throws -> JSON {
        guard let method = HTTPRequest.Method(method) else { throw Refusal.badRequest("\(method) is no method") }
        let fields: HTTPFields = [.accept: "application/json", .contentType: "application/json"]
        let request = HTTPRequest(method: method, scheme: nil, authority: nil, path: target, headerFields: fields)
        let content = body.map { HTTPOutgoingBody.bytes(ByteBuffer(bytes: $0.bytes)) } ?? .none
        let answer = try await self.connection.http(request, content)
        let bytes: ByteBuffer
        do {
            bytes = try await answer.body.collect(upTo: Self.longestAnswer)
        } catch let error as HTTPError where error.code == .tooLarge {
            throw Refusal.tooLarge(error.message)
        }
        let json = bytes.readableBytes > 0 ? try? JSON.parse(bytes.readableBytesView) : .null
        guard (200..<300).contains(answer.head.status.code), let json else {
            throw Refusal(
                status: answer.head.status.code, error: json?["error"]?.text ?? "http_status",
                reason: json?["reason"]?.text ?? "the peer answers \(answer.head.status.code)")
        }
        return json
    }
}

extension String {
    /// As a part of a path, or of a query.
    var escaped: String {
        self.utf8.reduce(into: "") { text, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
    }
}
