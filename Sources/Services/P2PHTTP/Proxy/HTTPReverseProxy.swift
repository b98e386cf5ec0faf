import HTTPTypes
import NIOCore
import P2PCore
public import P2PTunnels

/// Passes requests of peers on to an HTTP server of this machine, each on a connection of its own.
///
/// What the server is told of the peer is this node's word: `X-Forwarded-For` and `X-Peer-Id` are the peer's id, whatever a request says.
public struct HTTPReverseProxy: HTTPResponder {
    /// Fields that are about one connection, and go no further (RFC 9110, section 7.6.1).
    static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authenticate",
        "proxy-authorization",
    ]

    private let target: TunnelEndpoint
    private let limits: HTTPLimits

    /// - Parameter target: where the server is.
    public init(to target: TunnelEndpoint, limits: HTTPLimits = HTTPLimits()) {
        self.target = target
        self.limits = limits
    }

    /// Passes a request on, and the response back.
    public func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse {
        let stream: PeerStream
        do throws(TunnelError) {
            stream = try await LocalStream.connect(to: self.target)
        } catch {
            return .text(error.code == .timedOut ? .gatewayTimeout : .badGateway, "the server does not answer")
        }
        let upgrade = request.connectionOptions.contains("upgrade") ? request.head.headerFields[.upgrade] : nil
        var head = request.head
        head.headerFields = Self.forwarded(request.head.headerFields, request.connectionOptions) {
            $0.hasPrefix("x-forwarded-") || $0 == "x-peer-id" || $0 == "forwarded" || $0 == "x-real-ip" || $0 == "expect"
        }
        Self.add("X-Forwarded-For", "\(request.peer)", to: &head.headerFields)
        Self.add("X-Peer-Id", "\(request.peer)", to: &head.headerFields)
        head.authority = "\(self.target)"
        if case .unix = self.target { head.authority = "localhost" }
        if let upgrade {
            head.headerFields[.upgrade] = upgrade
            head.headerFields[.connection] = "Upgrade"
        } else {
            head.headerFields[.connection] = "close"
        }
        let exchange = HTTPExchange(stream: stream, limits: self.limits, clock: .system, finishes: false)
        do {
            let answer = try await exchange.run(head, request.outgoingBody, host: "localhost")
            return self.response(answer, over: stream, upgrade: upgrade)
        } catch let failure as BrokenBody {
            throw failure.cause
        } catch let error as HTTPError where error.code == .timedOut {
            return .text(.gatewayTimeout, "the server does not answer")
        } catch is HTTPError {
            return .text(.badGateway, "the server does not answer as it should")
        }
    }

    private func response(_ answer: HTTPPeerAnswer, over stream: PeerStream, upgrade: String?) -> HTTPPeerResponse {
        var head = answer.head
        head.headerFields = Self.forwarded(answer.head.headerFields, answer.connectionOptions) { _ in false }
        if head.status.code == 101 {
            guard upgrade != nil else { return .text(.badGateway, "the server changes the protocol, which nobody asked for") }
            head.headerFields[.upgrade] = answer.head.headerFields[.upgrade]
            head.headerFields[.connection] = "Upgrade"
            return HTTPPeerResponse(head, .upgrade { peer in try await Self.join(peer, stream) })
        }
        let length = answer.head.headerFields[.contentLength].flatMap { UInt64($0) }
        return HTTPPeerResponse(
            head,
            .pieces(length: length) { writer in
                while let piece = try await answer.body.next() { try await writer.write(piece) }
                withExtendedLifetime(stream) {}
            })
    }

    private static func forwarded(_ fields: HTTPFields, _ options: Set<String>, without isLeftOut: (String) -> Bool) -> HTTPFields {
        var left = HTTPFields()
        for field in fields {
            let name = field.name.canonicalName
            guard !self.hopByHop.contains(name), !options.contains(name), !isLeftOut(name) else { continue }
            left.append(field)
        }
        return left
    }

    private static func add(_ name: String, _ value: String, to fields: inout HTTPFields) {
        if let name = HTTPField.Name(name) { fields[name] = value }
    }

    /// Joins two streams, both ways, to the end of both.
    private static func join(_ one: PeerStream, _ other: PeerStream) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (from, to) in [(one, other), (other, one)] {
                group.addTask {
                    while let bytes = try await from.read() { try await to.write(bytes) }
                    try await to.finish()
                }
            }
            defer { group.cancelAll() }
            while try await group.next() != nil {}
        }
    }
}

/// The body of a request breaks off, or is none, which is no failure of the server to which it is passed on.
private struct BrokenBody: Error {
    let cause: any Error
}

extension HTTPPeerRequest {
    /// The body as it is passed on: with its length, if it has one.
    fileprivate var outgoingBody: HTTPOutgoingBody {
        guard self.hasBody else { return .none }
        let length = self.head.headerFields[.contentLength].flatMap { UInt64($0) }
        let body = self.body
        return .pieces(length: length) { writer in
            while let piece = try await self.piece(of: body) { try await writer.write(piece) }
        }
    }

    private func piece(of body: HTTPIncomingBody) async throws -> ByteBuffer? {
        do { return try await body.next() } catch { throw BrokenBody(cause: error) }
    }
}
