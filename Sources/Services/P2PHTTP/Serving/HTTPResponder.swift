public import HTTPTypes
package import Logging
import P2PCore
public import P2PIdentity

/// A request of a peer.
public struct HTTPPeerRequest: Sendable {
    /// Method, path and fields. What it says of the host is the peer's word, and means nothing.
    public var head: HTTPRequest
    /// Whose it is: the peer has proved that.
    public var peer: PeerID
    /// What comes with it.
    public var body: HTTPIncomingBody
    /// Whether anything comes with it, as far as its head says.
    let hasBody: Bool
    /// The hop-by-hop fields that the peer names in `Connection`.
    let connectionOptions: Set<String>

    package init(head: HTTPRequest, peer: PeerID, body: HTTPIncomingBody, hasBody: Bool, connectionOptions: Set<String> = []) {
        self.head = head
        self.peer = peer
        self.body = body
        self.hasBody = hasBody
        self.connectionOptions = connectionOptions
    }
}

/// An answer to a peer's request.
public struct HTTPPeerResponse: Sendable {
    /// Status and fields. Where the body ends is said without your help.
    public var head: HTTPResponse
    /// What comes with it.
    public var body: HTTPOutgoingBody

    /// An answer.
    public init(_ head: HTTPResponse, _ body: HTTPOutgoingBody = .none) {
        self.head = head
        self.body = body
    }

    /// A status and a line of text.
    public static func text(_ status: HTTPResponse.Status, _ text: String) -> Self {
        Self(HTTPResponse(status: status, headerFields: [.contentType: "text/plain; charset=utf-8"]), .text(text + "\n"))
    }
}

/// Answers requests of peers.
public protocol HTTPResponder: Sendable {
    /// Answers one request. What it throws is a 500 for the peer, without a reason.
    func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse
}

extension HTTPResponder {
    /// Answers a request whatever becomes of it.
    package func answer(to request: HTTPPeerRequest, logger: Logger) async -> HTTPPeerResponse {
        do {
            return try await self.respond(to: request)
        } catch let refusal as HTTPRefusal {
            return .text(.init(code: refusal.status), refusal.message)
        } catch let error as HTTPError where error.code == .tooLarge {
            return .text(.contentTooLarge, error.message)
        } catch let error as HTTPError where error.code == .malformed {
            return .text(.badRequest, error.message)
        } catch {
            logger.debug("an HTTP request failed", metadata: ["peer": "\(request.peer)", "error": "\(error)"])
            return .text(.internalServerError, "internal server error")
        }
    }
}

/// A responder that is a closure.
public struct HTTPClosureResponder: HTTPResponder {
    private let body: @Sendable (HTTPPeerRequest) async throws -> HTTPPeerResponse

    /// Answers with the closure.
    public init(_ body: @escaping @Sendable (HTTPPeerRequest) async throws -> HTTPPeerResponse) { self.body = body }

    /// Answers with the closure.
    public func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse { try await self.body(request) }
}
