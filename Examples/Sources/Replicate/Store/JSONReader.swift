/// Reads JSON as it is written in RFC 8259, and nothing else: somebody else's node sends it.
struct JSONReader {
    /// How deep lists and objects may be nested.
    static let deepest = 200

    /// What is wrong, and where.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    private let bytes: [UInt8]
    private var index = 0
    private var depth = 0

    init(_ bytes: some Collection<UInt8>) { self.bytes = Array(bytes) }

    /// The one value that there is.
    mutating func whole() throws(Malformed) -> JSON {
        let value = try self.value()
        guard self.skipSpace() == nil else { throw self.malformed("something stands behind the value") }
        return value
    }

    private func malformed(_ what: String) -> Malformed { Malformed(description: "\(what), at byte \(self.index)") }

    /// The next byte that is no space, which stays; nil at the end.
    private mutating func skipSpace() -> UInt8? {
        while self.index < self.bytes.count {
            switch self.bytes[self.index] {
            case 0x20, 0x09, 0x0a, 0x0d: self.index += 1
            case let byte: return byte
            }
        }
        return nil
    }

    private mutating func value() throws(Malformed) -> JSON {
        guard let byte = self.skipSpace() else { throw self.malformed("a value is missing") }
        switch byte {
        case UInt8(ascii: "{"): return try self.object()
        case UInt8(ascii: "["): return try self.list()
        case UInt8(ascii: "\""): return .text(try self.text())
        case UInt8(ascii: "t"): return try self.word("true", .flag(true))
        case UInt8(ascii: "f"): return try self.word("false", .flag(false))
        case UInt8(ascii: "n"): return try self.word("null", .null)
        case UInt8(ascii: "-"), 0x30...0x39: return try self.number()
        default: throw self.malformed("a value is missing")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(Malformed) -> JSON {
        let count = word.utf8CodeUnitCount
        guard self.bytes.count - self.index >= count, self.bytes[self.index..<self.index + count].elementsEqual("\(word)".utf8) else {
            throw self.malformed("a word is none")
        }
        self.index += count
        return value
    }

    private mutating func deeper() throws(Malformed) {
        self.index += 1
        self.depth += 1
        guard self.depth <= Self.deepest else { throw self.malformed("it is nested more than \(Self.deepest) deep") }
    }

    /// Whether another element follows, behind a comma.
    private mutating func isFollowed(by end: UInt8) throws(Malformed) -> Bool {
        let byte = self.skipSpace()
        guard byte == UInt8(ascii: ",") || byte == end else { throw self.malformed("a comma is missing") }
        self.index += 1
        if byte == end { self.depth -= 1 }
        return byte != end
    }

    private mutating func list() throws(Malformed) -> JSON {
        try self.deeper()
        var list: [JSON] = []
        if self.skipSpace() == UInt8(ascii: "]") {
            _ = try self.isFollowed(by: UInt8(ascii: "]"))
            return .list(list)
        }
        repeat { list.append(try self.value()) } while try self.isFollowed(by: UInt8(ascii: "]"))
        return .list(list)
    }

    private mutating func object() throws(Malformed) -> JSON {
        try self.deeper()
        var members: [ExactText: JSON] = [:]
        if self.skipSpace() == UInt8(ascii: "}") {
            _ = try self.isFollowed(by: UInt8(ascii: "}"))
            return .object(members)
        }
        repeat {
            guard self.skipSpace() == UInt8(ascii: "\"") else { throw self.malformed("a name is missing") }
            let name = try self.text()
            guard self.skipSpace() == UInt8(ascii: ":") else { throw self.malformed("a colon is missing") }
            self.index += 1
            // What two readers could take for two different things is refused.
            let before = members.updateValue(try self.value(), forKey: ExactText(name))
            guard before == nil else { throw self.malformed("a name stands there twice") }
        } while try self.isFollowed(by: UInt8(ascii: "}"))
        return .object(members)
    }

    private mutating func number() throws(Malformed) -> JSON {
        let first = self.index
        var isInteger = true
        if self.bytes[self.index] == UInt8(ascii: "-") { self.index += 1 }
        let digits = self.digits()
        guard digits == 1 || digits > 1 && self.bytes[self.index - digits] != UInt8(ascii: "0") else {
            throw self.malformed("a number is none")
        }
        if self.index < self.bytes.count, self.bytes[self.index] == UInt8(ascii: ".") {
            isInteger = false
            self.index += 1
            guard self.digits() > 0 else { throw self.malformed("a number is none") }
        }
        if self.index < self.bytes.count, self.bytes[self.index] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            self.index += 1
            if self.index < self.bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(self.bytes[self.index]) { self.index += 1 }
            guard self.digits() > 0 else { throw self.malformed("a number is none") }
        }
        let text = String(decoding: self.bytes[first..<self.index], as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw self.malformed("a number is too large") }
        return .number(number)
    }

    /// How many digits there are.
    private mutating func digits() -> Int {
        let first = self.index
        while self.index < self.bytes.count, (0x30...0x39).contains(self.bytes[self.index]) { self.index += 1 }
        return self.index - first
    }

    private mutating func text() throws(Malformed) -> String {
        self.index += 1
        var text: [UInt8] = []
        while self.index < self.bytes.count {
            let byte = self.bytes[self.index]
            self.index += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: text, as: UTF8.self) else { throw self.malformed("a text is no UTF-8") }
                return text
            case UInt8(ascii: "\\"): text += "\(try self.escape())".utf8
            case ..<0x20: throw self.malformed("a text holds a control character")
            default: text.append(byte)
            }
        }
        throw self.malformed("a text has no end")
    }

    private mutating func escape() throws(Malformed) -> Unicode.Scalar {
        guard self.index < self.bytes.count else { throw self.malformed("a text has no end") }
        let byte = self.bytes[self.index]
        self.index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try self.unicode()
        default: throw self.malformed("an escape is none")
        }
    }

    /// Four hexadecimal digits, or two times four for what lies beyond.
    private mutating func unicode() throws(Malformed) -> Unicode.Scalar {
        let unit = try self.unit()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard (0xd800..<0xdc00).contains(unit), self.bytes.count - self.index >= 6, self.bytes[self.index] == UInt8(ascii: "\\"),
            self.bytes[self.index + 1] == UInt8(ascii: "u")
        else { throw self.malformed("half of a character is missing") }
        self.index += 2
        let low = try self.unit()
        guard (0xdc00..<0xe000).contains(low), let scalar = Unicode.Scalar(0x1_0000 + (unit - 0xd800) << 10 + (low - 0xdc00)) else {
            throw self.malformed("half of a character is missing")
        }
        return scalar
    }

    private mutating func unit() throws(Malformed) -> UInt32 {
        guard self.bytes.count - self.index >= 4 else { throw self.malformed("a text has no end") }
        let digits = self.bytes[self.index..<self.index + 4]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && $0 < 0x80 }),
            let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw self.malformed("an escape is none") }
        self.index += 4
        return unit
    }
}
