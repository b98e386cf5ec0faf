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
}
