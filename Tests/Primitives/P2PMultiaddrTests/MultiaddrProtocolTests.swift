import P2PMultiaddr
import P2PVectors
import Testing

@Suite("Multiaddr protocol table")
struct MultiaddrProtocolTests {
    @Test(
        "Every row of the specification's table is spoken, and no other", .enabled(if: Vectors.exist("multiaddr"), "\(Vectors.areAbsent)"))
    func wholeTable() throws {
        var codes: Set<UInt64> = []
        for row in try Vectors.rows("multiaddr/protocols.csv") {
            let code = try #require(UInt64(row[0]))
            let found = try #require(MultiaddrProtocol(name: row[2]), "\(row[2])")
            #expect(found.code == code)
            #expect(found.name == (row[2] == "ipfs" ? "p2p" : row[2]))
            #expect(MultiaddrProtocol(code: code) == found)
            switch row[1] {
            case "V": #expect(found.size == .variable, "\(found)")
            case "0": #expect(found.size == .none, "\(found)")
            case let bits: #expect(found.size == .fixed(bits: try #require(Int(bits))), "\(found)")
            }
            codes.insert(code)
        }
        #expect(codes.count == 40)
        #expect(Set(MultiaddrProtocol.all.map(\.code)) == codes)
    }

    @Test("The codes agree with the multicodec table", .enabled(if: Vectors.exist("multiaddr"), "\(Vectors.areAbsent)"))
    func multicodecTable() throws {
        var checked = 0
        for row in try Vectors.rows("multiaddr/multicodec-table.csv") where row[1] == "multiaddr" {
            guard let found = MultiaddrProtocol(name: row[0]) else { continue }
            #expect(found.code == UInt64(row[2].dropFirst(2), radix: 16))
            checked += 1
        }
        // All but `memory`, which the multicodec table lacks.
        #expect(checked == 39)
    }
}
