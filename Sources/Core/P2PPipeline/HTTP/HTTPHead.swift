package import NIOCore

/// The head of an HTTP/1.1 message: a start line and fields (RFC 9112, sections 2 to 5).
package struct HTTPHead: Equatable, Sendable {
    package struct Field: Equatable, Sendable {
        /// In lower case.
        package let name: String
        package let value: String
    }

    package let startLine: String
    package let fields: [Field]

    /// The values of every field of that name (in lower case), in order.
    package func values(_ name: String) -> [String] {
        self.fields.filter { $0.name == name }.map(\.value)
    }

    /// The value of a field that must stand there exactly once; nil otherwise.
    package func single(_ name: String) -> String? {
        let values = self.values(name)
        return values.count == 1 ? values[0] : nil
    }

    /// Whether the comma-separated lists of that name hold the token, in any case.
    package func list(_ name: String, has token: String) -> Bool {
        self.values(name).contains { value in
            value.split(separator: ",").contains { Self.trimmed($0.utf8).lowercased() == token }
        }
    }

    /// The status of a response; nil when the start line is none of HTTP/1.x.
    package var status: UInt16? {
        let parts = self.startLine.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3 else { return nil }
        return Self.number(parts[1]).flatMap(UInt16.init(exactly:))
    }

    /// A number, which in HTTP is digits and nothing else; Swift's own reading takes a sign as well.
    package static func number(_ text: some StringProtocol) -> Int? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
    }

    /// Text that a peer chose, for a message: printable and short.
    package static func excerpt(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(80).map { (0x20..<0x7f).contains($0.value) ? $0 : "?" }))
    }

    /// Without spaces and tabs at the ends.
    fileprivate static func trimmed(_ text: some BidirectionalCollection<UInt8>) -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(decoding: text[first...last], as: UTF8.self)
    }
}

/// How a head breaks the grammar of RFC 9112, or a limit.
package struct HTTPHeadError: Error, Equatable {
    /// What and where, for people.
    package let message: String

    init(_ message: String) { self.message = message }
}

/// Collects a head from pieces of any size, up to its empty line and not a byte further. Strict, and bounded.
package struct HTTPHeadReader {
    /// Bytes, the empty line at the end included. Browsers send up to some 4 KiB, with cookies more.
    package static let maximumLength = 16 * 1_024
    /// Fields behind the start line.
    package static let maximumFields = 100

    private var bytes: [UInt8] = []
    private var lineStart = 0
    private var lines: [Range<Int>] = []

    /// Nothing yet.
    package init() {}

    /// Takes bytes; the head once it is complete.
    package mutating func received(_ input: inout ByteBuffer) throws(HTTPHeadError) -> HTTPHead? {
        while let byte = input.readInteger(as: UInt8.self) {
            guard self.bytes.count < Self.maximumLength else {
                throw HTTPHeadError("an HTTP head is longer than \(Self.maximumLength) bytes")
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
