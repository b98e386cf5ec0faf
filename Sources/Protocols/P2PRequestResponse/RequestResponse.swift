public import P2PCore
public import P2PIdentity

/// Where a message ends on its stream.
public enum MessageFraming: Sendable, Hashable {
    /// With the sender's half-close, as rust-libp2p's request-response has it.
    case toEnd
    /// After as many bytes as an unsigned varint before it says, as py-libp2p has it.
    case lengthPrefixed
}

/// A protocol of one request and one response on each stream: what most applications write first.
///
/// ```swift
/// let greeting = RequestResponse("/greet/1.0.0", requests: TextCodec(), responses: TextCodec())
/// // One side:
/// let host = try await PeerHost.standard(modules: .standard.adding(greeting.serving { name, _ in "hello \(name)" }))
/// // The other:
/// let answer = try await greeting.ask("world", of: peer, through: host)
/// ```
public struct RequestResponse<Request: Sendable, Response: Sendable>: Sendable {
    /// The protocol's name.
    public let protocolID: ProtocolID
    /// Where messages end.
    public var framing: MessageFraming
    /// The longest request that is sent and taken, in bytes.
    public var requestLimit = 1_024 * 1_024
    /// The longest response that is sent and taken, in bytes.
    public var responseLimit = 10 * 1_024 * 1_024
    /// What an exchange may take, on either side; nil for as long as it likes.
    public var timeout: Duration? = .seconds(10)
    /// How many requests of one peer are served at a time.
    public var requestsPerPeer = 100

    private let requests: any MessageCodec<Request>
    private let responses: any MessageCodec<Response>

    /// A protocol by its name and the codecs of its messages.
    public init(
        _ protocolID: ProtocolID, framing: MessageFraming = .toEnd, requests: some MessageCodec<Request>,
        responses: some MessageCodec<Response>
    ) {
        self.protocolID = protocolID
        self.framing = framing
        self.requests = requests
        self.responses = responses
    }

    // MARK: Asking

    /// Sends a request to a peer, over a connection that there is or a new one, and waits for the response.
    ///
    /// - Throws: ``StreamError/Code/protocolNotSupported``, ``StreamError/Code/timedOut``, ``StreamError/Code/connectionLost``,
    ///   ``StreamError/Code/reset`` when the peer refuses; ``StreamError/Code/messageTooLarge``; ``StreamError/Code/malformed`` when a codec throws.
    public func ask(_ request: Request, of peer: PeerID, through host: any StreamOpening) async throws(StreamError) -> Response {
        try await self.exchange(request, host.clock) { () throws(StreamError) in
            try await host.openStream(to: peer, protocols: [self.protocolID])
        }
    }

    /// The same on one connection.
    public func ask(_ request: Request, on connection: PeerConnection) async throws(StreamError) -> Response {
        try await self.exchange(request, connection.host.clock) { () throws(StreamError) in
            try await connection.openStream(self.protocolID)
        }
    }

    private func exchange(
        _ request: Request, _ clock: HostClock, _ open: @escaping @Sendable () async throws(StreamError) -> PeerStream
    ) async throws(StreamError) -> Response {
        let bytes = try Self.encode(request, self.requests, upTo: self.requestLimit, "the request")
        return try await StreamError.within(self.timeout, on: clock, "the request of \(self.protocolID)") { () throws(StreamError) in
            let stream = try await open()
            try await self.write(bytes, to: stream)
            try await stream.finish()
            guard let answer = try await self.read(from: stream, upTo: self.responseLimit) else {
                throw StreamError(.unexpectedEnd, "the peer finished without a response")
            }
            return try Self.decode(answer, self.responses, "the response")
        }
    }

    // MARK: Serving

    /// The serving side, as a module of a host.
    ///
    /// - Parameter body: makes the response. What it throws resets the stream.
    public func serving(
        _ body: @escaping @Sendable (_ request: Request, _ connection: PeerConnection) async throws -> Response
    ) -> some ProtocolHandler {
        RequestHandler(exchange: self, body: body)
    }

    fileprivate func serve(
        _ stream: PeerStream, on connection: PeerConnection, _ body: @Sendable (Request, PeerConnection) async throws -> Response
    ) async throws {
        guard let bytes = try await self.read(from: stream, upTo: self.requestLimit) else {
            throw StreamError(.unexpectedEnd, "the peer finished without a request")
        }
        let response = try await body(try Self.decode(bytes, self.requests, "the request"), connection)
        try await self.write(try Self.encode(response, self.responses, upTo: self.responseLimit, "the response"), to: stream)
    }

    // MARK: Messages

    private func write(_ bytes: [UInt8], to stream: PeerStream) async throws(StreamError) {
        switch self.framing {
        case .toEnd: try await stream.write(bytes: bytes)
        case .lengthPrefixed: try await stream.writeMessage(bytes: bytes)
        }
    }

    private func read(from stream: PeerStream, upTo limit: Int) async throws(StreamError) -> [UInt8]? {
        switch self.framing {
        case .toEnd: try await stream.readToEnd(upTo: limit)
        case .lengthPrefixed: try await stream.readMessageBytes(upTo: limit)
        }
    }

    private static func encode<Message>(
        _ message: Message, _ codec: any MessageCodec<Message>, upTo limit: Int, _ name: String
    ) throws(StreamError) -> [UInt8] {
        let bytes: [UInt8]
        do {
            bytes = try codec.encode(message)
        } catch {
            throw StreamError(.malformed, "\(name) can't be encoded", cause: error)
        }
        guard bytes.count <= limit else {
            throw StreamError(.messageTooLarge, "\(name) has \(bytes.count) bytes; at most \(limit) are sent")
        }
        return bytes
    }

    private static func decode<Message>(
        _ bytes: [UInt8], _ codec: any MessageCodec<Message>, _ name: String
    ) throws(StreamError) -> Message {
        do {
            return try codec.decode(bytes)
        } catch {
            throw StreamError(.malformed, "\(name) can't be decoded", cause: error)
        }
    }
}

/// The serving side of a ``RequestResponse``.
private struct RequestHandler<Request: Sendable, Response: Sendable>: ProtocolHandler {
    let exchange: RequestResponse<Request, Response>
    let body: @Sendable (Request, PeerConnection) async throws -> Response

    var protocolIDs: [ProtocolID] { [self.exchange.protocolID] }
    var limits: StreamLimits { StreamLimits(inboundPerPeer: self.exchange.requestsPerPeer, lifetime: self.exchange.timeout) }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        try await self.exchange.serve(stream, on: connection, self.body)
    }
}
