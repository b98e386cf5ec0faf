import HTTPTypes
import Logging
import NIOCore
import P2PCore
import P2PHTTPHead
import P2PIdentity

/// Reads one request from a stream and answers it. What is not read of the request is left there: nobody speaks of a second one.
struct HTTPServing: Sendable {
    let peer: PeerID
    let responder: any HTTPResponder
    let limits: HTTPLimits
    let clock: HostClock
    let logger: Logger

    func run(on stream: PeerStream) async throws {
        var messages = HTTPMessageStream(stream, self.limits, self.clock)
        let response: HTTPPeerResponse
        var method = HTTPRequest.Method.get
        do {
            guard let head = try await messages.head() else { return }
            let parsed = try HTTPRequestHead(head)
            method = parsed.request.method
            if head.list("expect", has: "100-continue"), parsed.framing != .none {
                try await stream.write(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"))
            }
            let isUpgrade = head.list("connection", has: "upgrade")
            // What follows the head of an upgrade is the new protocol's.
            if isUpgrade, parsed.framing == .none { messages.unreadRest() }
            let body = HTTPIncomingBody(.messages(messages, HTTPBodyReader(parsed.framing)))
            let request = HTTPPeerRequest(
                head: parsed.request, peer: self.peer, body: body, hasBody: parsed.framing != .none && parsed.framing != .length(0),
                connectionOptions: parsed.connectionOptions)
            response = await self.responder.answer(to: request, logger: self.logger)
        } catch let refusal as HTTPRefusal {
            response = .text(.init(code: refusal.status), refusal.message)
        }
        try await self.send(response, to: method, over: stream)
    }

    private func send(_ response: HTTPPeerResponse, to method: HTTPRequest.Method, over stream: PeerStream) async throws {
        var response = response
        var bytes = ByteBuffer()
        if case .upgrade(let run) = response.body.content {
            HTTPHeadWriter.write(response.head, framing: .none, into: &bytes)
            try await stream.write(bytes)
            return try await run(stream)
        }
        response.head.headerFields[.connection] = "close"
        let isBodiless = method == .head || response.head.status.code == 204 || response.head.status.code == 304
        if isBodiless, case .length(let length) = response.body.framing, method == .head {
            response.head.headerFields[.contentLength] = "\(length)"
        }
        var framing = isBodiless ? .none : response.body.framing
        if framing == .none, !isBodiless { framing = .length(0) }
        HTTPHeadWriter.write(response.head, framing: framing, into: &bytes)
        if isBodiless { try await stream.write(bytes) } else { try await response.body.write(behind: bytes, to: stream) }
        try await stream.finish()
    }
}
