import Foundation

/// The public test vectors: `$P2P_VECTORS`, else `../shared/vectors` beside the package.
enum Vectors {
    static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["P2P_VECTORS"] { return URL(fileURLWithPath: path) }
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return root.deletingLastPathComponent().appendingPathComponent("shared/vectors")
    }()

    static let areHere = FileManager.default.fileExists(atPath: root.appendingPathComponent("tls-certs/specs-tls-vectors.json").path)

    static func decode<T: Decodable>(_ path: String, as type: T.Type) throws -> T {
        try JSONDecoder().decode(type, from: Data(contentsOf: Self.root.appendingPathComponent(path)))
    }

    static func bytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: Self.root.appendingPathComponent(path)))
    }
}

/// Bytes in hexadecimal, as the vectors write them.
struct HexBytes: Decodable {
    var bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let text = Array(try decoder.singleValueContainer().decode(String.self).utf8)
        self.bytes = try stride(from: 0, to: text.count, by: 2).map { index in
            guard index + 1 < text.count, let byte = UInt8(String(decoding: text[index...index + 1], as: UTF8.self), radix: 16) else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not hexadecimal"))
            }
            return byte
        }
    }
}
