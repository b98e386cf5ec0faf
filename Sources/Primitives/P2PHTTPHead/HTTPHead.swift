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
        self.elements(name).contains { $0.lowercased() == token }
    }

    /// The elements of the comma-separated lists of that name, without the space around them.
    package func elements(_ name: String) -> [String] {
        self.values(name).flatMap { value in value.split(separator: ",").map { Self.trimmed($0.utf8) } }
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
    static func trimmed(_ text: some BidirectionalCollection<UInt8>) -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(decoding: text[first...last], as: UTF8.self)
    }
}
