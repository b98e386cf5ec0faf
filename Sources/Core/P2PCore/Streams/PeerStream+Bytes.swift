import NIOCore

/// The same without NIO's buffer, for applications that need not import it.
extension PeerStream {
    /// Writes bytes; see ``write(_:)-(ByteBuffer)``.
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
}
