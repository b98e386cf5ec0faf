import NIOCore
import Testing

@testable import P2PProtobuf

@Suite("Fields of protobuf messages")
struct ProtobufTests {
    private func fields(_ bytes: [UInt8]) throws -> [(Int, ProtobufReader.Value)] {
        var reader = ProtobufReader(ByteBuffer(bytes: bytes))
        var fields: [(Int, ProtobufReader.Value)] = []
        while let field = try reader.next() { fields.append((field.number, field.value)) }
        return fields
    }

    @Test("What is written is read again, in order")
    func roundTrip() throws {
        var inner = ProtobufWriter()
        inner.write(1, varint: 300)
        var writer = ProtobufWriter()
        writer.write(1, varint: 0)
        writer.write(2, bytes: Array("text".utf8))
        writer.write(777, varint: .max)
        writer.write(3, message: inner.buffer)
        var reader = ProtobufReader(writer.buffer)
        #expect(try reader.next()?.varint == 0)
        #expect(try reader.next()?.array == Array("text".utf8))
        let last = try #require(try reader.next())
        #expect(last.number == 777 && last.varint == .max)
        let message = try #require(try reader.next()?.bytes)
        var within = ProtobufReader(message)
        #expect(try within.next()?.varint == 300)
        #expect(try within.next() == nil)
        #expect(try reader.next() == nil)
    }

    @Test("Every wire type is read, and a number of ten bytes that is negative elsewhere")
    func wireTypes() throws {
        let bytes: [UInt8] = [0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x15, 2, 0, 0, 0, 0x18] + [UInt8](repeating: 0xff, count: 9) + [1]
        let fields = try self.fields(bytes)
        guard case .fixed64(1) = fields[0].1, case .fixed32(2) = fields[1].1, case .varint(.max) = fields[2].1 else {
            Issue.record("\(fields)")
            return
        }
    }

    @Test(
        "What is no message is refused",
        arguments: [
            ([0x0a, 2, 1], ProtobufError.truncated), ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], .truncated),
            ([0x08], .truncated), ([0x00, 1], .invalidNumber), ([0x0b], .invalidWireType), ([0x0f], .invalidWireType),
            ([0x08] + [UInt8](repeating: 0x80, count: 10) + [1], .varintTooLong), ([0x09, 1, 2], .truncated), ([0x0d, 1], .truncated),
        ])
    func refused(bytes: [UInt8], error: ProtobufError) {
        #expect(throws: error) { try self.fields(bytes) }
    }

    @Test("A number of more than 64 bits is refused, and not read as another", arguments: [2, 3, 0x7f] as [UInt8])
    func tooManyBits(last: UInt8) {
        #expect(throws: ProtobufError.varintTooLong) { try self.fields([0x08] + [UInt8](repeating: 0x80, count: 9) + [last]) }
    }

    @Test("Sizes are those of what is written", arguments: [0, 1, 127, 128, 16_383, 16_384])
    func sizes(count: Int) {
        var writer = ProtobufWriter()
        writer.write(8, bytes: [UInt8](repeating: 1, count: count))
        #expect(writer.count == ProtobufWriter.size(ofField: 8, bytes: count))
    }
}
