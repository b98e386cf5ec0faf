import Foundation
import NIOCore
import P2PMultiformats
import P2PVectors
import Testing

@Suite("Unsigned varint")
struct UnsignedVarintTests {
    struct Row: Decodable {
        var value: UInt64
        var hex: String
    }

    @Test("The spec's examples read and write", .enabled(if: Vectors.exist("varint"), "\(Vectors.areAbsent)"))
    func examples() throws {
        let rows = try JSONDecoder().decode([Row].self, from: Vectors.data("varint/unsigned-varint-readme.json"))
        #expect(!rows.isEmpty)
        for row in rows {
            let bytes = try Base16.decode(row.hex)
            #expect(UnsignedVarint.encode(row.value) == bytes)
            #expect(try UnsignedVarint.decode(bytes).value == row.value)
            var buffer = ByteBuffer(bytes: bytes)
            #expect(try buffer.readUnsignedVarint() == row.value)
            #expect(buffer.readableBytes == 0)
        }
    }

    @Test("Every power of two and its neighbours come back, with the length announced")
    func roundTrip() throws {
        var values: [UInt64] = [0, UnsignedVarint.maxValue]
        for shift: UInt64 in 0..<63 {
            values += [1 << shift, (1 << shift) - 1, (1 << shift) + 1]
        }
        var buffer = ByteBuffer()
        for value in values {
            let bytes = UnsignedVarint.encode(value)
            #expect(bytes.count == UnsignedVarint.encodedLength(of: value))
            let decoded = try UnsignedVarint.decode(bytes + [0xff])
            #expect(decoded.value == value)
            #expect(decoded.length == bytes.count)
            #expect(buffer.writeUnsignedVarint(value) == bytes.count)
        }
        for value in values {
            #expect(try buffer.readUnsignedVarint() == value)
        }
        #expect(try buffer.readUnsignedVarint() == nil)
    }

    @Test(
        "A longer spelling than needed is refused",
        arguments: [[0x80, 0x00], [0x81, 0x80, 0x00], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]] as [[UInt8]])
    func notMinimal(_ bytes: [UInt8]) {
        #expect(throws: MultiformatsError(.notCanonical, "")) { try UnsignedVarint.decode(bytes) }
        var buffer = ByteBuffer(bytes: bytes)
        #expect(throws: MultiformatsError(.notCanonical, "")) { try buffer.readUnsignedVarint() }
        #expect(buffer.readerIndex == 0)
    }

    @Test("A tenth byte is refused, even when it has not arrived yet")
    func tooLong() {
        let bytes = [UInt8](repeating: 0xff, count: 9)
        #expect(throws: MultiformatsError(.tooLong, "")) { try UnsignedVarint.decode(bytes) }
        #expect(throws: MultiformatsError(.tooLong, "")) { try UnsignedVarint.decode(bytes + [0x01]) }
        var buffer = ByteBuffer(bytes: bytes)
        #expect(throws: MultiformatsError(.tooLong, "")) { try buffer.readUnsignedVarint() }
        #expect(buffer.readerIndex == 0)
    }

    @Test("A buffer with half a varint asks for more and moves nothing")
    func needsMore() throws {
        var buffer = ByteBuffer(bytes: [0x00, 0xff, 0x80])
        #expect(try buffer.readUnsignedVarint() == 0)
        #expect(try buffer.readUnsignedVarint() == nil)
        #expect(buffer.readerIndex == 1)
        buffer.writeInteger(UInt8(0x01))
        #expect(try buffer.readUnsignedVarint() == 0x407f)
        #expect(throws: MultiformatsError(.truncated, "")) { try UnsignedVarint.decode([0x80]) }
        #expect(throws: MultiformatsError(.truncated, "")) { try UnsignedVarint.decode([]) }
    }
}
