import NIOCore

/// Gathers handshake messages, whole ones of at most 65,535 bytes.
///
/// Memory grows with what has arrived, not with what was announced.
struct MessageCollector {
    private var prefix = LengthPrefix()
    private var length: Int?
    private var message: [UInt8] = []

    /// Where in a message the input ended, for people; nil between messages.
    var position: String? {
        if let length = self.length { return "after \(self.message.count) of \(length) bytes of a handshake message" }
        return self.prefix.isPartial ? "within the length of a handshake message" : nil
    }

    /// Takes what it needs of `input`: the next message without its length, or nil when there isn't all of it.
    mutating func next(from input: inout ByteBuffer) -> [UInt8]? {
        if self.length == nil { self.length = self.prefix.read(from: &input) }
        guard let length = self.length else { return nil }
        let count = min(length - self.message.count, input.readableBytes)
        if let piece = input.readBytes(length: count) {
            if self.message.isEmpty { self.message = piece } else { self.message.append(contentsOf: piece) }
        }
        guard self.message.count == length else { return nil }
        let message = self.message
        self.length = nil
        self.message = []
        return message
    }
}
