import Foundation
import P2PMultiformats
import P2PVectors
import Testing

@Suite("Multibase")
struct MultibaseTests {
    /// Rows of the public tables that this project leaves to others.
    static let leftOut: Set<String> = ["base256emoji", "base45", "proquint", "none"]
    static let byName = Dictionary(uniqueKeysWithValues: Multibase.allCases.map { ($0.name, $0) })

    /// A table of the specification: the plain text in its heading, then a row for each base.
    static func table(_ file: String) throws -> (plain: [UInt8], rows: [(base: String, text: String)]) {
        let rows = try Vectors.lines("multibase/\(file)").map { line in
            let fields = line.split(separator: ",", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            return (base: fields[0], text: String(fields[1].dropFirst().dropLast()))
        }
        let plain = rows[0].text.replacingOccurrences(of: "\\x00", with: "\0")
        return (Array(plain.utf8), Array(rows.dropFirst()))
    }

    @Test(
        "The spec's tables encode and decode", .enabled(if: Vectors.exist("multibase"), "\(Vectors.areAbsent)"),
        arguments: ["basic.csv", "leading_zero.csv", "two_leading_zeros.csv"])
    func tables(_ file: String) throws {
        let (plain, rows) = try Self.table(file)
        var checked = 0
        for row in rows where !Self.leftOut.contains(row.base) {
            let base = try #require(Self.byName[row.base], "\(row.base)")
            #expect(Multibase.encode(plain, as: base) == row.text)
            #expect(try Multibase.decode(row.text) == plain, "\(row.base)")
            checked += 1
        }
        #expect(checked == Multibase.allCases.count)
    }

    @Test("Either letter case is read where a base has one", .enabled(if: Vectors.exist("multibase"), "\(Vectors.areAbsent)"))
    func caseInsensitivity() throws {
        let (plain, rows) = try Self.table("case_insensitivity.csv")
        for row in rows {
            let decoded = try Multibase.decodeNamingBase(row.text)
            #expect(decoded.base.name == row.base)
            #expect(decoded.bytes == plain, "\(row.base)")
        }
    }

    @Test("The prefixes are those of the spec's table", .enabled(if: Vectors.exist("multibase"), "\(Vectors.areAbsent)"))
    func prefixes() throws {
        var checked = 0
        for line in try Vectors.lines("multibase/multibase.csv").dropFirst() {
            let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard !Self.leftOut.contains(fields[2]) else { continue }
            let base = try #require(Self.byName[fields[2]], "\(fields[2])")
            #expect(String(base.prefix) == fields[1])
            #expect(Multibase(prefix: base.prefix) == base)
            checked += 1
        }
        #expect(checked == Multibase.allCases.count)
    }

    @Test("Bitcoin's base58 rows pass", .enabled(if: Vectors.exist("multibase"), "\(Vectors.areAbsent)"))
    func bitcoin() throws {
        let rows = try JSONDecoder().decode([[String]].self, from: Vectors.data("multibase/bitcoin_base58_encode_decode.json"))
        #expect(rows.count == 17)
        for row in rows {
            let bytes = try Base16.decode(row[0])
            #expect(Base58BTC.encode(bytes) == row[1])
            #expect(try Base58BTC.decode(row[1]) == bytes)
        }
    }

    @Test("Bytes of every length come back in every base", arguments: Multibase.allCases)
    func roundTrip(_ base: Multibase) throws {
        var random = SystemRandomNumberGenerator()
        for length in 0..<70 {
            for fill: UInt8? in [nil, 0x00, 0xff] {
                let bytes = (0..<length).map { _ in fill ?? UInt8.random(in: 0...255, using: &random) }
                let text = Multibase.encode(bytes, as: base)
                #expect(try Multibase.decode(text) == bytes)
            }
        }
    }

    @Test(
        "Set bits beyond the last byte and wrong padding are refused",
        arguments: [
            ("u_x", MultiformatsError.Code.notCanonical), ("bah", .notCanonical), ("uA", .invalidLength), ("ba", .invalidLength),
            ("f0", .invalidLength), ("0001", .invalidLength), ("MAA=", .invalidLength), ("MA===", .invalidLength),
            ("MAAAA====", .invalidLength), ("mAA==", .invalidCharacter), ("MAA=A", .invalidCharacter), ("M====", .invalidLength),
            ("cae=====", .invalidLength), ("caf======", .notCanonical), ("u_w=", .invalidCharacter), ("z0", .invalidCharacter),
            ("zé", .invalidCharacter),
            ("", .truncated), ("1abc", .unsupported), ("🚀🏃", .unsupported), ("\0abc", .unsupported),
        ] as [(String, MultiformatsError.Code)])
    func refused(_ text: String, _ code: MultiformatsError.Code) {
        #expect(throws: MultiformatsError(code, "")) { try Multibase.decode(text) }
    }

    @Test("A long text in a quadratic base is refused by its length alone", arguments: ["z", "Z", "k", "K", "9"])
    func quadratic(_ prefix: String) throws {
        let longest = prefix + String(repeating: "2", count: Multibase.maxQuadraticTextLength)
        #expect(try !Multibase.decode(longest).isEmpty)
        #expect(throws: MultiformatsError(.tooLong, "")) { try Multibase.decode(longest + "2") }
        #expect(throws: MultiformatsError(.tooLong, "")) { try Multibase.decode(prefix + String(repeating: "2", count: 1 << 20)) }
    }
}
