/// Base64 with padding (RFC 4648, section 4).
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

    static func encode(_ bytes: [UInt8]) -> String {
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            var quartet: [Character] = []
            for _ in 0..<4 {
                quartet.insert(Self.alphabet[Int(bits & 63)], at: 0)
                bits >>= 6
            }
            text += quartet.prefix(group.count + 1)
            text += String(repeating: "=", count: 3 - group.count)
        }
        return text
    }

    /// The bytes of a text, with or without padding; nil when it is none.
    static func decode(_ text: String) -> [UInt8]? {
        var digits: [UInt32] = []
        let trimmed = text.utf8.reversed().drop { $0 == UInt8(ascii: "=") }.reversed()
        guard text.utf8.count - trimmed.count <= 2, trimmed.count % 4 != 1 else { return nil }
        for character in String(decoding: Array(trimmed), as: UTF8.self) {
            guard let digit = Self.alphabet.firstIndex(of: character) else { return nil }
            digits.append(UInt32(digit))
        }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: digits.count, by: 4) {
            let group = digits[start..<min(start + 4, digits.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 6 | $1 } << UInt32(6 * (4 - group.count))
            bytes += (0..<(group.count - 1)).map { UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * $0)) }
        }
        return bytes
    }
}
