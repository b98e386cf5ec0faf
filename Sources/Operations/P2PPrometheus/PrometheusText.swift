/// A page in Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats").
struct PrometheusText {
    /// What is said of it in a response.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    /// The longest value of a label, in bytes.
    static let maximumValueLength = 128

    private(set) var text = ""

    /// The lines before those of a metric.
    mutating func begin(_ name: String, _ help: String, _ kind: SeriesKind) {
        self.text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.typeName)\n"
    }

    /// A line of a series.
    ///
    /// - Parameter further: a label behind those of the series.
    mutating func line(_ name: String, _ key: SeriesKey, _ value: Double, further: String = "") {
        let labels = key.text.isEmpty || further.isEmpty ? key.text + further : "\(key.text),\(further)"
        self.text += labels.isEmpty ? "\(name) \(Self.number(value))\n" : "\(name){\(labels)} \(Self.number(value))\n"
    }

    // MARK: Spelling

    static func number(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return "\(whole)" }
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return "\(value)"
    }

    /// A metric's name: what the format does not take becomes an underscore.
    static func name(_ name: String, of kind: SeriesKind) -> String {
        let clean = self.name(name)
        switch kind {
        case .counter where !clean.hasSuffix("_total"): return clean + "_total"
        case .duration where !clean.hasSuffix("_seconds"): return clean + "_seconds"
        default: return clean
        }
    }

    static func name(_ name: String) -> String { self.clean(name, mayHoldColons: true) }
    static func label(_ name: String) -> String { self.clean(name, mayHoldColons: false) }

    private static func clean(_ name: String, mayHoldColons: Bool) -> String {
        var clean = String(
            decoding: name.utf8.map { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                    byte
                case UInt8(ascii: ":") where mayHoldColons: byte
                default: UInt8(ascii: "_")
                }
            }, as: UTF8.self)
        if clean.utf8.first.map({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) ?? true { clean = "_" + clean }
        return clean
    }

    /// A label's value between its quotes.
    static func value(_ value: String) -> String {
        guard value.utf8.count > self.maximumValueLength else { return self.escaped(value, quotes: true) }
        var (short, length) = ("", 0)
        for character in value.unicodeScalars {
            length += UTF8.width(character)
            guard length <= self.maximumValueLength else { break }
            short.unicodeScalars.append(character)
        }
        return self.escaped(short, quotes: true)
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
