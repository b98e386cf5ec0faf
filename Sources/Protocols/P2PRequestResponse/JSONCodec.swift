#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Messages as JSON, as rust-libp2p's `json` behaviour has them: without a length before them.
public struct JSONCodec<Message: Codable & Sendable>: MessageCodec {
    /// A codec without settings.
    public init() {}
    /// The message as JSON.
    public func encode(_ message: Message) throws -> [UInt8] { Array(try JSONEncoder().encode(message)) }
    /// The message that the JSON says.
    public func decode(_ bytes: [UInt8]) throws -> Message { try JSONDecoder().decode(Message.self, from: Data(bytes)) }
}
