/// A JSON value that is written with its keys in the order in which they were given.
enum JSONValue: Equatable {
    case string(String)
    case integer(Int)
    case unsigned(UInt64)
    case number(Double)
    case bool(Bool)
    case array([JSONValue])
    case object(JSONObject)
    case null

    /// A number with at most so many decimals.
    static func rounded(_ value: Double, _ decimals: Int) -> JSONValue {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        return .number((value * scale).rounded() / scale)
    }

    static func milliseconds(_ duration: Duration) -> JSONValue { .rounded(duration.milliseconds, 3) }
    static func seconds(_ duration: Duration) -> JSONValue { .rounded(duration.milliseconds / 1_000, 6) }
    static func text(_ value: some CustomStringConvertible) -> JSONValue { .string(value.description) }

    func write(to text: inout String) {
        switch self {
        case .string(let value): Self.write(value, to: &text)
        case .integer(let value): text += String(value)
        case .unsigned(let value): text += String(value)
        case .number(let value): text += value.isFinite ? value.description : "null"
        case .bool(let value): text += value ? "true" : "false"
        case .null: text += "null"
        case .object(let object): object.write(to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        }
    }

    /// Escapes what JSON must not hold, and what a terminal must not be sent.
    private static func write(_ value: String, to text: inout String) {
        text += "\""
        defer { text += "\"" }
        guard !value.utf8.allSatisfy(Self.isPlain) else { return text += value }
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.isUnprintable:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// What stands for itself: nearly all of what is ever written, so that it is copied as a whole.
    private static func isPlain(_ character: UInt8) -> Bool {
        (0x20..<0x7f).contains(character) && character != UInt8(ascii: "\"") && character != UInt8(ascii: "\\")
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    init(stringLiteral value: String) { self = .string(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
}

/// A JSON object that keeps the order of its members.
struct JSONObject: Equatable, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    private(set) var members: [Member]

    struct Member: Equatable {
        let name: String
        let value: JSONValue
    }

    init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.members = elements.map { Member(name: $0.0, value: $0.1) }
    }

    mutating func append(_ name: String, _ value: JSONValue) {
        self.members.append(Member(name: name, value: value))
    }

    /// The object on one line.
    var description: String {
        var text = ""
        self.write(to: &text)
        return text
    }

    func write(to text: inout String) {
        text += "{"
        for (index, member) in self.members.enumerated() {
            if index > 0 { text += "," }
            JSONValue.string(member.name).write(to: &text)
            text += ":"
            member.value.write(to: &text)
        }
        text += "}"
    }
}

extension Duration {
    /// The duration in milliseconds, with its fraction.
    var milliseconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) * 1e3 + Double(attoseconds) / 1e15
    }
}
