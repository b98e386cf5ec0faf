/// Bytes in hexadecimal, as the vectors write them.
package struct HexBytes: Decodable {
    package var bytes: [UInt8]

    package init(from decoder: any Decoder) throws {
        let text = Array(try decoder.singleValueContainer().decode(String.self).utf8)
        self.bytes = try stride(from: 0, to: text.count, by: 2).map { index in
            guard index + 1 < text.count, let byte = UInt8(String(decoding: text[index...index + 1], as: UTF8.self), radix: 16) else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not hexadecimal"))
            }
            return byte
        }
    }
}
