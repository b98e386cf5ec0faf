package import NIOCore

/// Collects a head from pieces of any size, up to its empty line and not a byte further. Strict, and bounded.
package struct HTTPHeadReader {
    /// Bytes, the empty line at the end included. Browsers send up to some 4 KiB, with cookies more.
    package static let maximumLength = 16 * 1_024
    /// Fields behind the start line.
    package static let maximumFields = 100

    private var bytes: [UInt8] = []
    private var lineStart = 0
    private var lines: [Range<Int>] = []

    private let maximumLength: Int

    /// Nothing yet.
    ///
    /// - Parameter maximumLength: bytes, the empty line at the end included.
    package init(maximumLength: Int = Self.maximumLength) { self.maximumLength = maximumLength }

    /// Takes bytes; the head once it is complete.
    package mutating func received(_ input: inout ByteBuffer) throws(HTTPHeadError) -> HTTPHead? {
        while let byte = input.readInteger(as: UInt8.self) {
            guard self.bytes.count < self.maximumLength else {
                throw HTTPHeadError("an HTTP head is longer than \(self.maximumLength) bytes")
            }
            let follows = self.bytes.last == 0x0d
            self.bytes.append(byte)
            switch byte {
            case 0x0a where follows:
                if try self.endLine() { return try self.parse() }
            case 0x0a: throw HTTPHeadError("a line of an HTTP head ends without a carriage return")
            case _ where follows: throw HTTPHeadError("a line of an HTTP head holds a carriage return")
            case 0x09, 0x0d, 0x20...0x7e, 0x80...0xff: break
            default: throw HTTPHeadError("an HTTP head holds the control character \(byte)")
            }
        }
        return nil
    }

    /// Whether the line was the empty one at the end.
    private mutating func endLine() throws(HTTPHeadError) -> Bool {
        let line = self.lineStart..<self.bytes.count - 2
        self.lineStart = self.bytes.count
        if line.isEmpty {
            guard !self.lines.isEmpty else { throw HTTPHeadError("an HTTP head begins with an empty line") }
            return true
        }
        guard self.lines.count <= Self.maximumFields else {
            throw HTTPHeadError("an HTTP head has more than \(Self.maximumFields) fields")
        }
        self.lines.append(line)
        return false
    }

    private func parse() throws(HTTPHeadError) -> HTTPHead {
        var fields: [HTTPHead.Field] = []
        for line in self.lines.dropFirst() {
            let text = self.bytes[line]
            guard let colon = text.firstIndex(of: UInt8(ascii: ":")), colon > text.startIndex,
                text[..<colon].allSatisfy(Self.isTokenCharacter)
            else {
                throw HTTPHeadError("line \(fields.count + 2) of an HTTP head is not a field")
            }
            fields.append(
                HTTPHead.Field(
                    name: String(decoding: text[..<colon], as: UTF8.self).lowercased(),
                    value: HTTPHead.trimmed(text[(colon + 1)...])))
        }
        return HTTPHead(startLine: String(decoding: self.bytes[self.lines[0]], as: UTF8.self), fields: fields)
    }

    /// RFC 9110, section 5.6.2.
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
