import NIOCore
import P2PIdentity
import P2PMultiaddr
import P2PProtobuf
import Testing

@testable import P2PKademlia

@Suite("Messages of the table")
struct MessageTests {
    private func read(_ bytes: [UInt8]) throws -> KademliaMessage { try KademliaMessage(reading: ByteBuffer(bytes: bytes)) }

    @Test("A message without a type stores a value, since zero is left out")
    func zero() throws {
        #expect(try self.read([]).kind == .putValue)
        #expect(Array(KademliaMessage(.putValue).encoded().readableBytesView) == [0x50, 1])
        #expect(Array(KademliaMessage(.ping).encoded().readableBytesView) == [0x08, 5, 0x50, 1])
        #expect(Array(KademliaMessage(.findNode, key: [1, 2]).encoded().readableBytesView) == [0x08, 4, 0x12, 2, 1, 2, 0x50, 1])
    }

    @Test("What go, rust, js and py add or leave out is borne")
    func habits() throws {
        let peer = try Fixture.peer(1)
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        var contact = ProtobufWriter()
        contact.write(1, bytes: peer.bytes)
        contact.write(2, bytes: address.withPeerID(peer).bytes)
        contact.write(3, varint: 9)
        contact.write(4, bytes: Array("a signed record".utf8))
        var record = ProtobufWriter()
        record.write(1, bytes: Array("/ipns/x".utf8))
        record.write(2, bytes: [1])
        record.write(3, bytes: [2])
        record.write(4, bytes: [3])
        record.write(5, bytes: Array("2026-11-29T00:00:00Z".utf8))
        record.write(666, bytes: peer.bytes)
        record.write(777, varint: 3_600)
        var writer = ProtobufWriter()
        writer.write(10, varint: 10)
        writer.write(11, bytes: Array("an envelope".utf8))
        writer.write(21, varint: 1)
        writer.write(8, message: contact.buffer)
        writer.write(3, message: record.buffer)
        writer.write(1, varint: 1)
        let message = try KademliaMessage(reading: writer.buffer)
        #expect(message.kind == .getValue)
        #expect(message.closer == [KademliaContact(peer, at: [address])])
        let read = try #require(message.record)
        #expect(read.value == [1] && read.timeReceived == "2026-11-29T00:00:00Z")
        #expect(read.publisher == peer.bytes && read.secondsLeft == 3_600)
        #expect(try KademliaMessage(reading: message.encoded()) == message)
    }

    /// What each writes in its own way: byte for byte by their encoders (rust-libp2p 0.49, js 16.4, nim of August 2026).
    private enum Dialect {
        static let peer = "0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
        /// 127.0.0.1, TCP 4001.
        static let address = "047f000001060fa1"
        static let multihash = "1220" + String(repeating: "01", count: 32)
        static let record = "0a042f612f62120107"

        /// Field 10 before the key, 9 in answers; publisher and seconds left in the record; the id behind each address.
        static let rustValue =
            "0801500912042f612f621a4b" + record + "2a14323032362d31312d32395430303a30303a30305a" + "d22926" + peer + "c8303c"
            + "425d0a26" + peer + "1231" + address + "a50326" + peer + "1801"
        /// 10 in requests.
        static let rustRequest = "0804500a12042f612f62"
        /// Both lists, no connection.
        static let jsProviders =
            "08031222" + multihash + "42320a26" + peer + "1208" + address + "4a320a26" + peer + "1208" + address + "5001"
        /// No type, author and signature, milliseconds.
        static let jsPut =
            "12042f612f621a4e" + record + "1a26" + peer + "220109" + "2a18323032362d31312d32395430303a30303a30302e3030305a" + "5000"
        /// Field 11 is a status, here that it was taken.
        static let nimTaken = "08021222" + multihash + "5800"
        /// Field 21 is an advertisement, 10 is left out, and a connection of zero is written.
        static let nimPeers = "080442340a26" + peer + "1208" + address + "1800" + "aa01030a0101"
        static let nimAdvertisements = "08111222" + multihash
    }

    @Test("Messages of rust, js and nim are read as what they say")
    func dialects() throws {
        let contact = KademliaContact(try Fixture.peer(1), at: [try Multiaddr("/ip4/127.0.0.1/tcp/4001")])
        func read(_ text: String) throws -> KademliaMessage { try self.read(try Fixture.hex(text)) }
        let value = try read(Dialect.rustValue)
        #expect(value.kind == .getValue && value.key == Array("/a/b".utf8) && value.closer == [contact])
        #expect(value.record?.value == [7] && value.record?.secondsLeft == 60 && value.record?.publisher == contact.peer.bytes)
        #expect(try read(Dialect.rustRequest) == KademliaMessage(.findNode, key: Array("/a/b".utf8)))
        let providers = try read(Dialect.jsProviders)
        #expect(providers.kind == .getProviders && providers.closer == [contact] && providers.providers == [contact])
        let put = try read(Dialect.jsPut)
        #expect(put.kind == .putValue && put.record?.value == [7] && put.record?.timeReceived == "2026-11-29T00:00:00.000Z")
        #expect(try read(Dialect.nimTaken).kind == .addProvider)
        #expect(try read(Dialect.nimPeers).closer == [contact])
        #expect(throws: KademliaMessageError.unknownKind) { try read(Dialect.nimAdvertisements) }
    }

    @Test("Bad peers and bad addresses are left out one by one")
    func leftOut() throws {
        let (one, two) = (try Fixture.peer(1), try Fixture.peer(2))
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        func contact(_ fields: (inout ProtobufWriter) -> Void) -> ByteBuffer {
            var writer = ProtobufWriter()
            fields(&writer)
            return writer.buffer
        }
        var writer = ProtobufWriter()
        writer.write(1, varint: 4)
        writer.write(8, message: contact { $0.write(1, bytes: [1, 2, 3]) })
        writer.write(8, message: contact { $0.write(2, bytes: address.bytes) })
        writer.write(8, bytes: [0x0a, 200])
        writer.write(
            8,
            message: contact {
                $0.write(1, bytes: one.bytes)
                $0.write(2, bytes: [0xff, 0xff])
                $0.write(2, bytes: address.withPeerID(two).bytes)
                $0.write(2, bytes: [UInt8](repeating: 4, count: 8_192))
                $0.write(2, bytes: address.bytes)
                $0.write(2, bytes: address.bytes)
            })
        #expect(try KademliaMessage(reading: writer.buffer).closer == [KademliaContact(one, at: [address])])
    }

    @Test("Of a hundred thousand peers forty are looked at, of five thousand addresses sixteen are kept")
    func floods() throws {
        var inner = ProtobufWriter()
        inner.write(1, bytes: try Fixture.peer(1).bytes)
        for port in 0..<5_000 { inner.write(2, bytes: try Multiaddr("/ip4/127.0.0.1/tcp/\(port + 1)").bytes) }
        var one = ProtobufWriter()
        one.write(1, bytes: try Fixture.peer(2).bytes)
        var writer = ProtobufWriter(capacity: 4 << 20)
        writer.write(1, varint: 4)
        writer.write(8, message: inner.buffer)
        for _ in 0..<100_000 { writer.write(8, message: one.buffer) }
        let message = try KademliaMessage(reading: writer.buffer)
        #expect(message.closer.count == 40)
        #expect(message.closer.first?.addresses.count == 16)
        // More than a peer may take up.
        for port in 0..<5_000 { inner.write(2, bytes: try Multiaddr("/ip4/127.0.0.1/tcp/\(port + 1)").bytes) }
        var large = ProtobufWriter()
        large.write(1, varint: 4)
        large.write(8, message: inner.buffer)
        #expect(try KademliaMessage(reading: large.buffer).closer.isEmpty)
    }

    @Test("What can't be read is refused")
    func refused() throws {
        #expect(throws: KademliaMessageError.malformed) { try self.read([0xff]) }
        #expect(throws: KademliaMessageError.unknownKind) { try self.read([0x08, 6]) }
        #expect(throws: KademliaMessageError.unknownKind) { try self.read([0x08, 16]) }
        var long = ProtobufWriter()
        long.write(2, bytes: [UInt8](repeating: 1, count: KademliaLimits.keyLength + 1))
        #expect(throws: KademliaMessageError.keyTooLong) { try KademliaMessage(reading: long.buffer) }
        var record = ProtobufWriter()
        record.write(2, bytes: [UInt8](repeating: 1, count: KademliaLimits.valueSize + 1))
        var large = ProtobufWriter()
        large.write(3, message: record.buffer)
        #expect(throws: KademliaMessageError.valueTooLong) { try KademliaMessage(reading: large.buffer) }
    }

    @Test("An answer fits into the 16 KiB that rust reads, and the nearest are in it")
    func bounded() throws {
        let long = String(repeating: "a", count: 200)
        let addresses = try (0..<16).map { try Multiaddr("/dns4/\(long)\($0).example/tcp/4001") }
        var message = KademliaMessage(.getProviders, key: [1])
        message.closer = try (0..<20).map { KademliaContact(try Fixture.peer(number: $0), at: addresses) }
        message.providers = try (100..<150).map { KademliaContact(try Fixture.peer(number: $0), at: addresses) }
        let encoded = message.encoded()
        #expect(encoded.readableBytes <= 16_384)
        let read = try KademliaMessage(reading: encoded)
        #expect(!read.closer.isEmpty && read.closer.count < 20)
        #expect(!read.providers.isEmpty && read.providers.count < 50)
        #expect(read.closer.map(\.peer) == message.closer.prefix(read.closer.count).map(\.peer))
        #expect(read.closer.allSatisfy { $0.addresses.count == 8 })
    }

    @Test(
        "Beside a value of any size there are peers to ask next",
        arguments: [
            (1_000, 20), (14_900, 20), (16_000, 4), (16_300, 20), (20_000, 20), (KademliaLimits.valueSize, 20),
        ])
    func besideValues(size: Int, peers: Int) throws {
        var message = KademliaMessage(.getValue, key: [1])
        message.record = KademliaRecord(key: [1], value: [UInt8](repeating: 7, count: size))
        message.closer = try (0..<20).map {
            KademliaContact(try Fixture.peer(number: $0), at: [try Multiaddr("/ip4/192.0.2.1/tcp/\($0 + 1)")])
        }
        let encoded = message.encoded()
        let read = try KademliaMessage(reading: encoded)
        #expect(read.record?.value.count == size && (peers...20).contains(read.closer.count), "\(read.closer.count)")
        #expect(encoded.readableBytes <= (size <= 16_000 ? 16_384 : 16_384 + size), "\(encoded.readableBytes)")
    }
}
