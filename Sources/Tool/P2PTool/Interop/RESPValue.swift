import NIOCore

/// An answer of a redis server, as far as the tool asks for any (Redis serialization protocol, version 2).
enum RESPValue: Equatable {
    case text(String)
    case integer(Int64)
    case bulk(String?)
    case error(String)

    /// The longest answer that is accepted, in bytes.
    static let maximumSize = 64 * 1_024

    /// Reads one value from the front of the buffer; nil, and nothing read, when it is not all there yet.
    ///
    /// - Throws: `ToolError` when it is no answer that the tool could have asked for, or too long.
    static func read(from buffer: inout ByteBuffer) throws(ToolError) -> RESPValue? {
        var rest = buffer
        guard let line = try self.readLine(from: &rest) else { return nil }
        let body = String(line.dropFirst())
        let value: RESPValue
        switch line.first {
        case "+": value = .text(body)
        case "-": value = .error(body)
        case ":":
            guard let number = Int64(body) else { throw Self.malformed }
            value = .integer(number)
        case "$":
            guard let length = Int(body), length >= -1, length <= Self.maximumSize else { throw Self.malformed }
            if length == -1 {
                value = .bulk(nil)
            } else {
                guard rest.readableBytes >= length + 2 else { return nil }
                guard let text = rest.readString(length: length), rest.readString(length: 2) == "\r\n" else { throw Self.malformed }
                value = .bulk(text)
            }
        default: throw Self.malformed
        }
        buffer = rest
        return value
    }

    /// A command as an array of bulk strings.
    static func encode(_ command: [String]) -> ByteBuffer {
        var bytes = ByteBuffer(string: "*\(command.count)\r\n")
        for part in command { bytes.writeString("$\(part.utf8.count)\r\n\(part)\r\n") }
        return bytes
    }

    private static func readLine(from buffer: inout ByteBuffer) throws(ToolError) -> String? {
        let bytes = buffer.readableBytesView
        guard let end = bytes.prefix(Self.maximumSize).firstIndex(of: UInt8(ascii: "\n")) else {
            guard bytes.count < Self.maximumSize else { throw Self.malformed }
            return nil
        }
        guard end > bytes.startIndex, bytes[end - 1] == UInt8(ascii: "\r"), let line = buffer.readString(length: end - bytes.startIndex - 1)
        else { throw Self.malformed }
        buffer.moveReaderIndex(forwardBy: 2)
        return line
    }

    private static var malformed: ToolError { ToolError("redis", "the redis server answered something that was not asked for") }
}
