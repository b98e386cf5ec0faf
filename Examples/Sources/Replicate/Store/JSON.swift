/// A value of JSON. It is written with the keys of objects in order, so that the same value has the same bytes everywhere.
enum JSON: Sendable, Hashable {
    case null
    case flag(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case list([JSON])
    case object([ExactText: JSON])

    /// Reads a value.
    ///
    /// - Throws: ``JSONReader/Malformed`` for what is none, and for what is nested too deep.
    static func parse(_ bytes: some Collection<UInt8>) throws -> JSON {
        var reader = JSONReader(bytes)
        return try reader.whole()
    }

    /// The value as text.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        self.write(to: &bytes)
        return bytes
    }

    /// Bytes of the text, about.
    var size: Int {
        switch self {
        case .null, .flag: 4
        case .integer, .number: 8
        case .text(let text): text.utf8.count + 2
        case .list(let list): list.reduce(2) { $0 + $1.size + 1 }
        case .object(let members): members.reduce(2) { $0 + $1.key.text.utf8.count + $1.value.size + 4 }
        }
    }

    subscript(key: String) -> JSON? {
        if case .object(let members) = self { members[ExactText(key)] } else { nil }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var list: [JSON]? { if case .list(let list) = self { list } else { nil } }
    var object: [ExactText: JSON]? { if case .object(let members) = self { members } else { nil } }
    var isTrue: Bool { self == .flag(true) }
    var integer: Int? { if case .integer(let integer) = self { Int(exactly: integer) } else { nil } }

    static func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
}

extension JSON {
    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .flag(let flag): bytes += (flag ? "true" : "false").utf8
        case .integer(let integer): bytes += "\(integer)".utf8
        case .number(let number): bytes += "\(number)".utf8
        case .text(let text): Self.write(text, to: &bytes)
        case .list(let list):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in list.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, (key, value)) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(key.text, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0a: bytes += "\\n".utf8
            case ..<0x20: bytes += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByArrayLiteral
{
    init(stringLiteral text: String) { self = .text(text) }
    init(booleanLiteral flag: Bool) { self = .flag(flag) }
    init(integerLiteral integer: Int64) { self = .integer(integer) }
    init(arrayLiteral list: JSON...) { self = .list(list) }
    init(dictionaryLiteral members: (String, JSON)...) {
        self = .object(Dictionary(members.map { (ExactText($0), $1) }) { _, last in last })
    }
}
