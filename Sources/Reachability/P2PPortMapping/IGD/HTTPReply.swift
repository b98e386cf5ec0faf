package import NIOCore
import P2PHTTPHead

/// A request to a gateway, to be sent over a connection of its own.
package struct HTTPRequest: Equatable {
    /// Counted up from one.
    package let id: Int
    let url: GatewayURL
    let bytes: [UInt8]
    /// How long the body of the reply may be.
    package let bodyLimit: Int

    init(id: Int, url: GatewayURL, bytes: [UInt8], bodyLimit: Int) {
        self.id = id
        self.url = url
        self.bytes = bytes
        self.bodyLimit = bodyLimit
    }

    /// Asks for a document.
    init(id: Int, getting url: GatewayURL, bodyLimit: Int) {
        let head = "GET \(url.path) HTTP/1.1\r\nHost: \(url.authority)\r\nAccept: text/xml\r\nConnection: close\r\n\r\n"
        self.init(id: id, url: url, bytes: Array(head.utf8), bodyLimit: bodyLimit)
    }
}

/// A reply, read to its end.
package struct HTTPReply: Equatable {
    let status: UInt16
    package let body: [UInt8]

    package init(status: UInt16, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// Reads a reply from pieces of any size, within limits. A redirect is a status like any other: nobody follows it.
package struct HTTPReplyReader {
    private enum Part {
        case head(HTTPResponseReader)
        case body(status: UInt16, length: Int?)
        case chunkSize(status: UInt16, line: [UInt8])
        case chunk(status: UInt16, left: Int)
        case chunkEnd(status: UInt16, left: Int)
        case done
    }

    private static let longestChunkLine = 64

    private let bodyLimit: Int
    private var part = Part.head(HTTPResponseReader())
    private var headLength = 0
    private var body: [UInt8] = []

    package init(bodyLimit: Int) {
        self.bodyLimit = bodyLimit
    }

    /// Takes bytes; the reply once it is complete.
    package mutating func received(_ input: inout ByteBuffer) throws(GatewayError) -> HTTPReply? {
        while input.readableBytes > 0 {
            switch self.part {
            case .head(var reader):
                let before = input.readableBytes
                let head: HTTPHead?
                do throws(HTTPHeadError) { head = try reader.received(&input) } catch { throw GatewayError(error.message) }
                self.headLength += before - input.readableBytes
                guard self.headLength <= MappingLimits.headLength else { throw GatewayError("the head of its answer is too long") }
                self.part = .head(reader)
                guard let head else { return nil }
                if let reply = try self.begin(head) { return reply }
            case .body(let status, let length):
                try self.take(min(length.map { $0 - self.body.count } ?? .max, input.readableBytes), from: &input)
                guard let length else { continue }
                if self.body.count == length { return self.finish(status) }
            case .chunkSize(let status, let line):
                if let reply = try self.chunkSize(status, line, &input) { return reply }
            case .chunk(let status, let left):
                let count = min(left, input.readableBytes)
                try self.take(count, from: &input)
                self.part = left == count ? .chunkEnd(status: status, left: 2) : .chunk(status: status, left: left - count)
            case .chunkEnd(let status, let left):
                guard let byte = input.readInteger(as: UInt8.self), byte == (left == 2 ? 0x0d : 0x0a) else {
                    throw GatewayError("its answer is malformed")
                }
                self.part = left == 1 ? .chunkSize(status: status, line: []) : .chunkEnd(status: status, left: left - 1)
            case .done: return nil
            }
        }
        return nil
    }

    /// The connection was closed, which is how a body without a length ends.
    package mutating func ended() throws(GatewayError) -> HTTPReply {
        guard case .body(let status, nil) = self.part else { throw GatewayError("it closes the connection within its answer") }
        return self.finish(status)
    }

    private mutating func begin(_ head: HTTPHead) throws(GatewayError) -> HTTPReply? {
        guard let status = head.status else { throw GatewayError("its answer is not HTTP") }
        if head.list("transfer-encoding", has: "chunked") {
            self.part = .chunkSize(status: status, line: [])
            return nil
        }
        guard !head.values("content-length").isEmpty else {
            self.part = .body(status: status, length: nil)
            return nil
        }
        guard let length = head.single("content-length").flatMap({ HTTPHead.number($0) }) else {
            throw GatewayError("its answer is malformed")
        }
        guard length <= self.bodyLimit else { throw GatewayError("its answer is longer than \(self.bodyLimit) bytes") }
        guard length > 0 else { return self.finish(status) }
        self.part = .body(status: status, length: length)
        return nil
    }

    private mutating func chunkSize(_ status: UInt16, _ line: [UInt8], _ input: inout ByteBuffer) throws(GatewayError) -> HTTPReply? {
        var line = line
        while let byte = input.readInteger(as: UInt8.self) {
            line.append(byte)
            guard line.count <= Self.longestChunkLine else { throw GatewayError("its answer is malformed") }
            guard byte == 0x0a else { continue }
            let digits = line.prefix { $0 != 0x0d && $0 != 0x0a && $0 != UInt8(ascii: ";") && $0 != 0x20 }
            guard (1...8).contains(digits.count), let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else {
                throw GatewayError("its answer is malformed")
            }
            // What may stand behind the last chunk says nothing that is asked for.
            guard size > 0 else { return self.finish(status) }
            guard self.body.count + size <= self.bodyLimit else { throw GatewayError("its answer is longer than \(self.bodyLimit) bytes") }
            self.part = .chunk(status: status, left: size)
            return nil
        }
        self.part = .chunkSize(status: status, line: line)
        return nil
    }

    private mutating func take(_ count: Int, from input: inout ByteBuffer) throws(GatewayError) {
        guard self.body.count + count <= self.bodyLimit else { throw GatewayError("its answer is longer than \(self.bodyLimit) bytes") }
        self.body += input.readBytes(length: count) ?? []
    }

    private mutating func finish(_ status: UInt16) -> HTTPReply {
        self.part = .done
        return HTTPReply(status: status, body: self.body)
    }
}
