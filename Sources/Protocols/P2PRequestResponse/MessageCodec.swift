/// Turns messages of a protocol into bytes and back.
public protocol MessageCodec<Message>: Sendable {
    /// What the messages are.
    associatedtype Message: Sendable
    /// The bytes of a message.
    ///
    /// - Throws: whatever says that it has none.
    func encode(_ message: Message) throws -> [UInt8]
    /// The message of these bytes, which a peer has sent.
    ///
    /// - Throws: whatever says that they are none.
    func decode(_ bytes: [UInt8]) throws -> Message
}

/// Messages that are bytes already.
public struct BytesCodec: MessageCodec {
    /// A codec without settings.
    public init() {}
    /// The message itself.
    public func encode(_ message: [UInt8]) -> [UInt8] { message }
    /// The bytes themselves.
    public func decode(_ bytes: [UInt8]) -> [UInt8] { bytes }
}

/// Messages that are texts, in UTF-8.
public struct TextCodec: MessageCodec {
    /// Bytes that are not UTF-8.
    public struct NoText: Error {}

    /// A codec without settings.
    public init() {}
    /// The text's UTF-8.
    public func encode(_ message: String) -> [UInt8] { Array(message.utf8) }
    /// The text.
    ///
    /// - Throws: ``NoText``.
    public func decode(_ bytes: [UInt8]) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw NoText() }
        return text
    }
}
