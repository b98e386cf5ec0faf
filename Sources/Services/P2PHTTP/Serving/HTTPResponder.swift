public import HTTPTypes
public import P2PIdentity

/// A request of a peer.
public struct HTTPPeerRequest: Sendable {
    /// Method, path and fields. What it says of the host is the peer's word, and means nothing.
    public var head: HTTPRequest
    /// Whose it is: the peer has proved that.
    public var peer: PeerID
    /// What comes with it.
    public var body: HTTPIncomingBody
    /// The hop-by-hop fields that the peer names in `Connection`.
    var connectionOptions: Set<String> = []
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

/// A responder that is a closure.
public struct HTTPClosureResponder: HTTPResponder {
    private let body: @Sendable (HTTPPeerRequest) async throws -> HTTPPeerResponse

    /// Answers with the closure.
    public init(_ body: @escaping @Sendable (HTTPPeerRequest) async throws -> HTTPPeerResponse) { self.body = body }

    /// Answers with the closure.
    public func respond(to request: HTTPPeerRequest) async throws -> HTTPPeerResponse { try await self.body(request) }
}
