import HTTPTypes
import Logging
import NIOCore
public import P2PCore
import P2PHTTPHead

extension ProtocolID {
    /// HTTP/1.1 over streams, one exchange a stream (libp2p specs, "http").
    public static let http: ProtocolID = "/http/1.1"
}

/// Serves HTTP/1.1 to peers over streams: one request and its response on each.
///
/// ```swift
/// try host.serve(HTTPService(HTTPClosureResponder { request in .text(.ok, "Hello \(request.peer)") }))
/// ```
public struct HTTPService: ProtocolHandler {
    /// The protocol that is negotiated.
    public let protocolIDs: [ProtocolID]
    /// What bounds an exchange.
    public let httpLimits: HTTPLimits
    private let responder: any HTTPResponder

    /// - Parameter protocolID: another name of the same, such as `/x/web/http`.
    public init(_ responder: any HTTPResponder, protocolID: ProtocolID = .http, limits: HTTPLimits = HTTPLimits()) {
        self.protocolIDs = [protocolID]
        self.responder = responder
        self.httpLimits = limits
    }

    /// As many exchanges as the limits say.
    public var limits: StreamLimits { StreamLimits(inboundPerPeer: self.httpLimits.exchangesPerPeer) }
    /// Also over a connection that a relay lends.
    public var servesLimitedConnections: Bool { true }

    /// Serves one exchange.
    public func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        var messages = HTTPMessageStream(stream, self.httpLimits, connection.host.clock)
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
            let body = HTTPIncomingBody(.init(messages: messages, reader: HTTPBodyReader(parsed.framing)))
            response = await self.respond(
                to: HTTPPeerRequest(
                    head: parsed.request, peer: connection.remotePeer, body: body, connectionOptions: parsed.connectionOptions), connection)
        } catch let refusal as HTTPRefusal {
            response = .text(.init(code: refusal.status), refusal.message)
        }
        try await self.send(response, to: method, over: stream)
    }

    private func respond(to request: HTTPPeerRequest, _ connection: PeerConnection) async -> HTTPPeerResponse {
        do {
            return try await self.responder.respond(to: request)
        } catch let refusal as HTTPRefusal {
            return .text(.init(code: refusal.status), refusal.message)
        } catch let error as HTTPError where error.code == .tooLarge {
            return .text(.contentTooLarge, error.message)
        } catch let error as HTTPError where error.code == .malformed {
            return .text(.badRequest, error.message)
        } catch {
            connection.host.logger.debug("an HTTP request failed", metadata: ["peer": "\(request.peer)", "error": "\(error)"])
            return .text(.internalServerError, "internal server error")
        }
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
        // What is not read of the request is of no interest: nobody speaks of a second one on this stream.
        stream.stopReading()
    }
}
