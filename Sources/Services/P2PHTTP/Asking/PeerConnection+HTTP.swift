public import HTTPTypes
import NIOCore
public import P2PCore
import P2PHTTPHead
import Synchronization

/// What a peer answers to a request.
public struct HTTPPeerAnswer: Sendable {
    /// Status and fields.
    public let head: HTTPResponse
    /// What comes with it; it may be read while it comes. Letting go of the answer ends the exchange.
    public let body: HTTPIncomingBody
    /// The hop-by-hop fields that the sender names in `Connection`.
    let connectionOptions: Set<String>

    package init(head: HTTPResponse, body: HTTPIncomingBody, connectionOptions: Set<String> = []) {
        self.head = head
        self.body = body
        self.connectionOptions = connectionOptions
    }
}

extension PeerConnection {
    /// Sends a request on a stream of its own, and waits for the head of the response.
    ///
    /// - Parameters:
    ///   - request: its path begins with a slash. Over streams the host is the peer, and is written as its id.
    ///   - protocolID: what the peer serves HTTP as.
    /// - Throws: ``HTTPError``, or what makes the body fail, which ends the exchange.
    public func http(
        _ request: HTTPRequest, _ body: HTTPOutgoingBody = .none, as protocolID: ProtocolID = .http, limits: HTTPLimits = HTTPLimits()
    ) async throws -> HTTPPeerAnswer {
        let stream: PeerStream
        do throws(StreamError) { stream = try await self.openStream(protocolID) } catch { throw HTTPError(error) }
        return try await HTTPExchange(stream: stream, limits: limits, clock: self.host.clock).run(request, body, host: "\(self.remotePeer)")
    }
}

/// One request and its response on a stream.
struct HTTPExchange {
    let stream: PeerStream
    let limits: HTTPLimits
    let clock: HostClock
    /// Whether the end of the request is also the end of this side of the stream. Some servers take it for that of the client.
    var finishes = true

    func run(_ request: HTTPRequest, _ body: HTTPOutgoingBody, host: String) async throws -> HTTPPeerAnswer {
        var request = request
        let path = request.path ?? "/"
        guard path.hasPrefix("/") || path == "*", path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw HTTPError(.badRequest, "the path of a request begins with a slash, and has neither spaces nor controls")
        }
        request.path = path
        if self.finishes { request.headerFields[.connection] = "close" }
        var framing = body.framing
        if framing == .none, request.method != .get, request.method != .head { framing = .length(0) }
        var bytes = ByteBuffer()
        HTTPHeadWriter.write(request, framing: framing, host: host, into: &bytes)
        let (stream, head, turn) = (self.stream, bytes, HTTPTurn())
        // A server may answer before it has heard all, so nobody waits for that.
        let broken = Mutex<(any Error)?>(nil)
        let sending = Task {
            do {
                try await self.send(head, body, turn)
            } catch {
                // It never comes whole, and a server that waits for it answers nothing. One that hears no more may have answered.
                guard !(error is StreamError), !(error is CancellationError) else { return turn.passed(at: self.clock.now()) }
                broken.withLock { $0 = error }
                stream.reset()
            }
        }
        do {
            return try await self.answer(to: request.method, turn, while: Sending(task: sending))
        } catch {
            sending.cancel()
            stream.reset()
            if let reason = broken.withLock({ $0 }) { throw reason }
            if let refusal = error as? HTTPRefusal { throw HTTPError(.malformed, refusal.message) }
            throw error
        }
    }

    /// Pieces in which a body goes that is there already, in bytes: how long the other side takes for each says whether it takes any.
    private static let pieceSize = 64 * 1_024

    private func send(_ head: ByteBuffer, _ body: HTTPOutgoingBody, _ turn: HTTPTurn) async throws {
        let isChunked = body.framing == .chunked
        try await self.write(head, turn)
        try await body.write { bytes in
            try await turn.send(bytes, inPiecesOf: Self.pieceSize, on: self.clock) {
                try await self.stream.write(isChunked ? HTTPHeadWriter.chunk($0) : $0)
            }
        }
        if isChunked { try await self.write(HTTPHeadWriter.lastChunk, turn) }
        turn.passed(at: self.clock.now())
        if self.finishes { try await self.stream.finish() }
    }

    private func write(_ bytes: ByteBuffer, _ turn: HTTPTurn) async throws {
        try await turn.send(bytes, on: self.clock) { try await self.stream.write($0) }
    }

    /// A request that goes on being sent for as long as somebody may read its answer.
    private final class Sending: Sendable {
        private let task: Task<Void, Never>

        init(task: Task<Void, Never>) { self.task = task }

        deinit { self.task.cancel() }
    }

    private func answer(to method: HTTPRequest.Method, _ turn: HTTPTurn, while sending: Sending) async throws -> HTTPPeerAnswer {
        var messages = HTTPMessageStream(self.stream, self.limits, self.clock)
        for _ in 0...HTTPResponseReader.maximumInterim {
            guard let head = try await messages.head(turn) else { throw HTTPError(.unexpectedEnd, "the peer ended without a response") }
            let parsed = try HTTPResponseHead(head, to: method)
            if (100..<200).contains(parsed.response.status.code), parsed.response.status.code != 101 { continue }
            if parsed.response.status.code == 101 { messages.unreadRest() }
            return HTTPPeerAnswer(
                head: parsed.response, body: HTTPIncomingBody(.messages(messages, HTTPBodyReader(parsed.framing)), with: sending),
                connectionOptions: parsed.connectionOptions)
        }
        throw HTTPError(.malformed, "the peer sends interim responses without end")
    }
}
