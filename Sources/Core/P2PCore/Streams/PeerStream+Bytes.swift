import NIOCore

/// The same without NIO's buffer, for applications that need not import it.
extension PeerStream {
    /// Writes an array of bytes, which is copied; see ``write(_:)-(ByteBuffer)`` for when it returns.
    public func write(bytes: [UInt8]) async throws(StreamError) {
        try await self.write(ByteBuffer(bytes: bytes))
    }

    /// Writes a copy of the bytes of a span; see ``write(_:)-(ByteBuffer)``.
    public func write(copying bytes: RawSpan) async throws(StreamError) {
        let buffer = bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
        try await self.write(buffer)
    }

    /// Writes the UTF-8 of a text.
    public func write(text: String) async throws(StreamError) {
        try await self.write(ByteBuffer(string: text))
    }

    /// Waits for bytes and returns at most `limit` of them; nil when the peer has finished.
    public func readBytes(upTo limit: Int = .max) async throws(StreamError) -> [UInt8]? {
        guard let buffer = try await self.read(upTo: limit) else { return nil }
        return Array(buffer.readableBytesView)
    }

    /// Reads until the peer finishes.
    ///
    /// - Parameter limit: the most that is accepted, in bytes.
    /// - Throws: ``StreamError/Code/messageTooLarge`` beyond it.
    public func readToEnd(upTo limit: Int) async throws(StreamError) -> [UInt8] {
        var all: [UInt8] = []
        while let chunk = try await self.read() {
            guard chunk.readableBytes <= limit - all.count else {
                throw StreamError(.messageTooLarge, "the peer sent more than \(limit) bytes")
            }
            all.append(contentsOf: chunk.readableBytesView)
        }
        return all
    }

    /// Reads a text up to the peer's half-close; bytes that are no UTF-8 are replaced.
    public func readText(upTo limit: Int) async throws(StreamError) -> String {
        String(decoding: try await self.readToEnd(upTo: limit), as: UTF8.self)
    }

    /// Writes one message with its length before it; see ``writeMessage(_:)``.
    public func writeMessage(bytes: [UInt8]) async throws(StreamError) {
        try await self.writeMessage(ByteBuffer(bytes: bytes))
    }

    /// Writes one message, the UTF-8 of a text with its length before it; see ``writeMessage(_:)``.
    public func writeMessage(text: String) async throws(StreamError) {
        try await self.writeMessage(ByteBuffer(string: text))
    }

    /// Waits for one message with its length before it; see ``readMessage(upTo:)``.
    ///
    /// - Parameter limit: the longest message that is accepted, in bytes.
    /// - Returns: nil when the peer finished before the first byte.
    public func readMessageBytes(upTo limit: Int) async throws(StreamError) -> [UInt8]? {
        guard let message = try await self.readMessage(upTo: limit) else { return nil }
        return Array(message.readableBytesView)
    }

    /// Waits for one message that is a text; bytes that are not UTF-8 are replaced. See ``readMessage(upTo:)``.
    ///
    /// - Parameter limit: the longest message that is accepted, in bytes.
    /// - Returns: nil when the peer finished before the first byte.
    public func readMessageText(upTo limit: Int) async throws(StreamError) -> String? {
        guard let message = try await self.readMessage(upTo: limit) else { return nil }
        return String(decoding: message.readableBytesView, as: UTF8.self)
    }
}
