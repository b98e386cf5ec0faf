import Foundation
import P2P

/// What travels: an ``Offer``, an ``Answer``, the bytes from its offset on, a half-close, and an ``Answer`` to the whole.
enum Wire {
    static let protocolID: ProtocolID = "/example/send-file/1.0.0"
    /// Bytes of one message.
    static let longestMessage = 4 * 1_024
}

/// What the sender would like to send.
struct Offer: Codable {
    let name: String
    let size: Int64
    /// Of the whole file, 64 hexadecimal digits.
    let sha256: String
}

/// What the receiver says to it.
struct Answer: Codable {
    /// How many of the bytes it has already.
    var offset: Int64 = 0
    /// Why it does not take the file; nil if it does.
    var refusal: String?
}

/// Why a file does not go through, for people.
struct Refusal: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension PeerStream {
    func writeMessage(_ value: some Encodable) async throws {
        try await self.writeMessage(bytes: [UInt8](try JSONEncoder().encode(value)))
    }

    func readMessage<Value: Decodable>(as type: Value.Type) async throws -> Value? {
        guard let bytes = try await self.readMessageBytes(upTo: Wire.longestMessage) else { return nil }
        return try JSONDecoder().decode(type, from: Data(bytes))
    }
}
