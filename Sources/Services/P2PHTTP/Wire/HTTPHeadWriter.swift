import HTTPTypes
import NIOCore

/// Writes heads. What a value may not hold was refused when the field was made.
enum HTTPHeadWriter {
    static func write(_ request: HTTPRequest, framing: HTTPFraming, host: String, into bytes: inout ByteBuffer) {
        bytes.writeString("\(request.method.rawValue) \(request.path ?? "/") HTTP/1.1\r\nhost: \(request.authority ?? host)\r\n")
        self.write(request.headerFields, framing, isRequest: true, into: &bytes)
    }

    static func write(_ response: HTTPResponse, framing: HTTPFraming, into bytes: inout ByteBuffer) {
        bytes.writeString("HTTP/1.1 \(response.status.code) \(response.status.reasonPhrase)\r\n")
        self.write(response.headerFields, framing, isRequest: false, into: &bytes)
    }

    /// What says where the body ends is this side's word.
    private static func write(_ fields: HTTPFields, _ framing: HTTPFraming, isRequest: Bool, into bytes: inout ByteBuffer) {
        for field in fields {
            switch field.name {
            case .contentLength where framing != .none || isRequest, .transferEncoding: continue
            default: bytes.writeString("\(field.name.canonicalName): \(field.value)\r\n")
            }
        }
        switch framing {
        case .length(let length): bytes.writeString("content-length: \(length)\r\n")
        case .chunked: bytes.writeString("transfer-encoding: chunked\r\n")
        case .none, .untilEnd: break
        }
        bytes.writeString("\r\n")
    }

    /// One chunk of a body.
    static func chunk(_ body: ByteBuffer) -> ByteBuffer {
        var bytes = ByteBufferAllocator().buffer(capacity: body.readableBytes + 16)
        bytes.writeString(String(body.readableBytes, radix: 16) + "\r\n")
        bytes.writeImmutableBuffer(body)
        bytes.writeString("\r\n")
        return bytes
    }

    /// The end of a chunked body.
    static let lastChunk = ByteBuffer(string: "0\r\n\r\n")
}
