public import NIOCore
public import P2PCore

/// The body of a message that goes.
public struct HTTPOutgoingBody: Sendable {
    enum Content: Sendable {
        case none
        case bytes(ByteBuffer)
        case pieces(length: UInt64?, @Sendable (HTTPBodyWriter) async throws -> Void)
        case upgrade(@Sendable (PeerStream) async throws -> Void)
    }

    let content: Content

    /// No body.
    public static let none = HTTPOutgoingBody(content: .none)

    /// Bytes that are there already.
    public static func bytes(_ bytes: ByteBuffer) -> Self { Self(content: .bytes(bytes)) }

    /// The UTF-8 of a text.
    public static func text(_ text: String) -> Self { Self(content: .bytes(ByteBuffer(string: text))) }

    /// Bytes that are made while they are sent, as fast as the peer takes them.
    ///
    /// - Parameter length: how many there will be, if that is known; it has to be true.
    public static func pieces(length: UInt64? = nil, _ write: @escaping @Sendable (HTTPBodyWriter) async throws -> Void) -> Self {
        Self(content: .pieces(length: length, write))
    }

    /// The stream as it is, behind the head of a response 101; it is over when the closure returns.
    public static func upgrade(_ body: @escaping @Sendable (PeerStream) async throws -> Void) -> Self { Self(content: .upgrade(body)) }

    var framing: HTTPFraming {
        switch self.content {
        case .none, .upgrade: .none
        case .bytes(let bytes): .length(UInt64(bytes.readableBytes))
        case .pieces(let length, _): length.map { .length($0) } ?? .chunked
        }
    }

    /// How many bytes it has, where that is known.
    package var length: UInt64? {
        switch self.content {
        case .none, .upgrade: 0
        case .bytes(let bytes): UInt64(bytes.readableBytes)
        case .pieces(let length, _): length
        }
    }

    /// Whether it is no body, but the stream itself.
    package var isUpgrade: Bool { if case .upgrade = self.content { true } else { false } }

    /// Gives all of it to `send`, a piece at a time.
    package func write(_ send: @escaping @Sendable (ByteBuffer) async throws -> Void) async throws {
        switch self.content {
        case .none, .upgrade: break
        case .bytes(let bytes): if bytes.readableBytes > 0 { try await send(bytes) }
        case .pieces(_, let write): try await write(HTTPBodyWriter(sink: .pieces(send)))
        }
    }

    /// Sends it behind a head.
    func write(behind head: ByteBuffer, to stream: PeerStream) async throws {
        switch self.content {
        case .none, .upgrade: try await stream.write(head)
        case .bytes(let bytes):
            try await stream.write(head)
            if bytes.readableBytes > 0 { try await stream.write(bytes) }
        case .pieces(let length, let write):
            try await stream.write(head)
            try await write(HTTPBodyWriter(sink: .stream(stream, isChunked: length == nil)))
            if length == nil { try await stream.write(HTTPHeadWriter.lastChunk) }
        }
    }
}

/// Takes a body while it is made.
public struct HTTPBodyWriter: Sendable {
    enum Sink: Sendable {
        case stream(PeerStream, isChunked: Bool)
        case pieces(@Sendable (ByteBuffer) async throws -> Void)
    }

    let sink: Sink

    /// Sends a piece; suspends while the peer is slow.
    public func write(_ bytes: ByteBuffer) async throws {
        guard bytes.readableBytes > 0 else { return }
        switch self.sink {
        case .stream(let stream, let isChunked): try await stream.write(isChunked ? HTTPHeadWriter.chunk(bytes) : bytes)
        case .pieces(let send): try await send(bytes)
        }
    }
}
