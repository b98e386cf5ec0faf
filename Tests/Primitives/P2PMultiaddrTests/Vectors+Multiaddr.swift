import Foundation
import P2PVectors

extension Vectors {
    /// The rows of a table, their fields trimmed, without the heading.
    static func rows(_ path: String) throws -> [[String]] {
        try Self.lines(path).dropFirst().map { line in
            line.split(separator: ",", maxSplits: 4, omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// The inputs of one of Go's fuzz corpora: the bytes between the quotes, with Go's escapes undone.
    static func fuzzSeeds(_ name: String) throws -> [[UInt8]] {
        try Self.files("multiaddr/testdata/fuzz/\(name)").map { bytes in
            let quote = UInt8(ascii: "\"")
            guard let first = bytes.firstIndex(of: quote), let last = bytes.lastIndex(of: quote), first < last else { return [] }
            return Self.unescape(bytes[(first + 1)..<last])
        }
    }

    private static func unescape(_ text: ArraySlice<UInt8>) -> [UInt8] {
        let plain: [Character: UInt8] = ["n": 10, "r": 13, "t": 9, "a": 7, "b": 8, "f": 12, "v": 11, "\\": 92, "\"": 34, "'": 39]
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst().map({ Character(Unicode.Scalar($0)) }) else {
                bytes.append(byte)
                continue
            }
            let digits = ["x": 2, "u": 4, "U": 8][kind]
            if let digits {
                let number = UInt32(String(decoding: rest.prefix(digits), as: UTF8.self), radix: 16) ?? 0
                rest = rest.dropFirst(digits)
                if kind == "x" {
                    bytes.append(UInt8(truncatingIfNeeded: number))
                } else if let scalar = Unicode.Scalar(number) {
                    bytes += Array(String(Character(scalar)).utf8)
                }
            } else if let value = plain[kind] {
                bytes.append(value)
            }
        }
        return bytes
    }
}
