import NIOCore
import Testing

@testable import P2PTunnels

@Suite("Capsules of datagrams")
struct DatagramCapsuleTests {
    @Test("A datagram of 1,200 bytes begins as RFC 9298 has it")
    func vector() {
        let capsule = DatagramCapsule.encode(ByteBuffer(repeating: 7, count: 1_200))
        #expect(Array(capsule.readableBytesView.prefix(5)) == [0x00, 0x44, 0xb1, 0x00, 7])
        #expect(capsule.readableBytes == 1_204)
    }

    @Test("Datagrams come out as they went in, in whatever pieces", arguments: [1, 2, 3, 7, 1_000, 1_000_000])
    func pieces(size: Int) throws {
        let payloads = [0, 1, 62, 63, 64, 1_200, 16_382, 65_527].map { ByteBuffer(repeating: UInt8($0 & 0xff), count: $0) }
        var bytes = ByteBuffer()
        for payload in payloads { bytes.writeImmutableBuffer(DatagramCapsule.encode(payload)) }
        var reader = DatagramCapsuleReader()
        var found: [ByteBuffer] = []
        while let piece = bytes.readSlice(length: min(size, bytes.readableBytes)), piece.readableBytes > 0 {
            reader.append(piece)
            while let payload = try reader.next() { found.append(payload) }
        }
        #expect(found == payloads)
        #expect(reader.waitingBytes == 0)
    }

    @Test("Pieces that each end within a capsule are not held once they were read")
    func held() throws {
        let capsule = DatagramCapsule.encode(ByteBuffer(repeating: 7, count: 1_200))
        var reader = DatagramCapsuleReader()
        var piece = capsule
        piece.writeInteger(UInt8(0))
        reader.append(piece)
        let first = try reader.next()
        #expect(first?.readableBytes == 1_200)
        piece = ByteBuffer(bytes: capsule.readableBytesView.dropFirst())
        piece.writeInteger(UInt8(0))
        var count = 0
        for _ in 0..<10_000 {
            reader.append(piece)
            while try reader.next() != nil { count += 1 }
        }
        #expect(count == 10_000)
        #expect(reader.waitingBytes == 1)
        #expect(reader.heldBytes <= 16_384)
    }

    @Test("Other types and contexts are skipped, however long, and not kept")
    func skipped() throws {
        var reader = DatagramCapsuleReader()
        var bytes = ByteBuffer()
        bytes.writeQUICVarint(0x2843)
        bytes.writeQUICVarint(1 << 40)
        reader.append(bytes)
        #expect(try reader.next() == nil)
        for _ in 0..<100 { reader.append(ByteBuffer(repeating: 0, count: 65_536)) }
        #expect(reader.waitingBytes == 0)

        var other = DatagramCapsuleReader()
        other.append(ByteBuffer(bytes: [0x00, 0x03, 0x02, 1, 2, 0x17, 0x01, 9, 0x00, 0x02, 0x00, 5]))
        #expect(try other.next() == ByteBuffer(bytes: [5]))
    }

    @Test("A datagram that can't be one ends it")
    func malformed() {
        var tooLarge = DatagramCapsuleReader()
        tooLarge.append(ByteBuffer(bytes: [0x00, 0x80, 0x01, 0x00, 0x10]))
        #expect(throws: DatagramCapsuleReader.Failure.tooLarge(65_552)) { try tooLarge.next() }
        var empty = DatagramCapsuleReader()
        empty.append(ByteBuffer(bytes: [0x00, 0x00]))
        #expect(throws: DatagramCapsuleReader.Failure.malformed) { try empty.next() }
        var one = DatagramCapsuleReader()
        one.append(DatagramCapsule.encode(ByteBuffer(repeating: 0, count: 65_528)))
        #expect(throws: DatagramCapsuleReader.Failure.self) { try one.next() }
    }

    @Test("Of datagrams that wait the oldest go first: by their number, and by their bytes")
    func queue() {
        var queue = DatagramQueue()
        for number in 0..<100 { _ = queue.append(ByteBuffer(bytes: [UInt8(number)])) }
        #expect(queue.count == DatagramQueue.maximumCount)
        #expect(queue.popFirst() == ByteBuffer(bytes: [36]))
        var heavy = DatagramQueue()
        var dropped = 0
        for _ in 0..<6 { dropped += heavy.append(ByteBuffer(repeating: 0, count: 60_000)) }
        #expect(dropped == 2)
        #expect(heavy.bytes == 240_000)
    }
}
