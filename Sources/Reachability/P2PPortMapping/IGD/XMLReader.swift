/// Reads the little of XML that devices speak, piece by piece: elements and text. No document types, so no entities but the five of the
/// language itself; attributes are passed over.
struct XMLReader {
    enum Event: Equatable {
        /// An element begins; its name without a prefix.
        case open(String)
        /// The innermost element ends.
        case close
        /// Text between two of these.
        case text(String)
    }

    private let bytes: [UInt8]
    private var position = 0
    private var open: [ArraySlice<UInt8>] = []
    /// An element that was written as `<a/>` still has to be closed.
    private var isClosing = false

    private var hasRoot = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // A mark of the encoding.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { self.position = 3 }
    }

    /// The next event; nil at the end of the outermost element.
    mutating func next() throws(GatewayError) -> Event? {
        if self.isClosing {
            self.isClosing = false
            self.open.removeLast()
            return .close
        }
        // Behind the outermost element devices send whatever was in their buffers.
        while self.position < self.bytes.count, !self.hasRoot || !self.open.isEmpty {
            guard self.bytes[self.position] == UInt8(ascii: "<") else {
                if let text = try self.text() { return text }
                continue
            }
            if self.skips("<?", to: "?>") { continue }
            if self.skips("<!--", to: "-->") { continue }
            if self.begins(with: "<![CDATA[") { return try self.characterData() }
            guard !self.begins(with: "<!") else { throw GatewayError("its XML has a document type") }
            return try self.tag()
        }
        guard self.open.isEmpty else { throw GatewayError("its XML ends within an element") }
        return nil
    }

    private func begins(with text: StaticString) -> Bool {
        text.withUTF8Buffer { self.bytes[self.position...].starts(with: $0) }
    }

    /// Where `text` begins from here on.
    private func find(_ text: StaticString, from start: Int) -> Int? {
        text.withUTF8Buffer { pattern in
            guard self.bytes.count - start >= pattern.count else { return nil }
            return (start...self.bytes.count - pattern.count).first { self.bytes[$0...].starts(with: pattern) }
        }
    }

    private mutating func skips(_ start: StaticString, to end: StaticString) -> Bool {
        guard self.begins(with: start) else { return false }
        self.position = self.find(end, from: self.position + start.utf8CodeUnitCount).map { $0 + end.utf8CodeUnitCount } ?? self.bytes.count
        return true
    }

    private mutating func characterData() throws(GatewayError) -> Event {
        let start = self.position + 9
        guard let end = self.find("]]>", from: start), !self.open.isEmpty else { throw GatewayError("its XML is malformed") }
        self.position = end + 3
        return .text(String(decoding: self.bytes[start..<end], as: UTF8.self))
    }

    /// Text up to the next tag; nil where there is nothing but space between elements.
    private mutating func text() throws(GatewayError) -> Event? {
        let end = self.bytes[self.position...].firstIndex(of: UInt8(ascii: "<")) ?? self.bytes.count
        let raw = self.bytes[self.position..<end]
        self.position = end
        guard !raw.allSatisfy(Self.isSpace) else { return nil }
        guard !self.open.isEmpty else { throw GatewayError("its XML has text outside of elements") }
        return .text(try Self.resolve(raw))
    }

    private static func resolve(_ raw: ArraySlice<UInt8>) throws(GatewayError) -> String {
        guard raw.contains(UInt8(ascii: "&")) else { return String(decoding: raw, as: UTF8.self) }
        var text = ""
        var rest = raw
        while let start = rest.firstIndex(of: UInt8(ascii: "&")) {
            text += String(decoding: rest[..<start], as: UTF8.self)
            guard let end = rest[start...].prefix(12).firstIndex(of: UInt8(ascii: ";")), let scalar = Self.entity(rest[(start + 1)..<end])
            else { throw GatewayError("its XML has an entity that is none of the language's own") }
            text.unicodeScalars.append(scalar)
            rest = rest[(end + 1)...]
        }
        return text + String(decoding: rest, as: UTF8.self)
    }

    private static func entity(_ name: ArraySlice<UInt8>) -> Unicode.Scalar? {
        switch String(decoding: name, as: UTF8.self) {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        case let name where name.hasPrefix("#x"): return UInt32(name.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init)
        case let name where name.hasPrefix("#"): return UInt32(name.dropFirst(1)).flatMap(Unicode.Scalar.init)
        default: return nil
        }
    }

    private mutating func tag() throws(GatewayError) -> Event {
        let start = self.position + 1
        guard let end = self.endOfTag(from: start) else { throw GatewayError("its XML ends within a tag") }
        self.position = end + 1
        var inner = self.bytes[start..<end]
        if inner.first == UInt8(ascii: "/") {
            let name = inner.dropFirst().prefix { !Self.isSpace($0) }
            guard self.open.last == name else { throw GatewayError("its XML closes an element that is not open") }
            self.open.removeLast()
            return .close
        }
        let isEmpty = inner.last == UInt8(ascii: "/")
        if isEmpty { inner = inner.dropLast() }
        let name = inner.prefix { !Self.isSpace($0) }
        guard !name.isEmpty else { throw GatewayError("its XML has an element without a name") }
        guard self.open.count < MappingLimits.depth else {
            throw GatewayError("its XML has more than \(MappingLimits.depth) elements within each other")
        }
        self.open.append(name)
        self.hasRoot = true
        self.isClosing = isEmpty
        let local = name.lastIndex(of: UInt8(ascii: ":")).map { name[($0 + 1)...] } ?? name
        return .open(String(decoding: local, as: UTF8.self))
    }

    /// Where the tag ends: a `>` within the value of an attribute does not count.
    private func endOfTag(from start: Int) -> Int? {
        var quote: UInt8?
        for index in start..<self.bytes.count {
            let byte = self.bytes[index]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: ">") {
                return index
            }
        }
        return nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}

/// What is wrong with what a gateway said; the message continues the words "the router could not be used: ".
package struct GatewayError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
