import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PIdentify

@Suite("What a peer's introduction is worth")
struct IntroductionReaderTests {
    @Test("Messages are merged: lists grow, single fields are replaced")
    func merges() async throws {
        let sample = try Sample()
        let second = try Sample.address(2)
        let reading = try sample.read(
            sample.message(),
            sample.message { wire in
                wire.listenAddresses = [second.bytes, second.bytes]
                wire.protocols = ["/echo/1.0.0", "/ipfs/ping/1.0.0"].map { Array($0.utf8) }
                wire.agentVersion = Array("sample/2".utf8)
            })
        #expect(reading.introduction.publicKey == sample.key.publicKey)
        #expect(reading.introduction.listenAddresses == [try Sample.address(1), second])
        #expect(reading.introduction.protocols == ["/ipfs/ping/1.0.0", "/echo/1.0.0"])
        #expect(reading.introduction.agentVersion == "sample/2")
        #expect(reading.introduction.signedRecord == nil)
    }

    @Test(
        "A text that is not UTF-8 is replaced where it is not, and the rest stands",
        arguments: [
            ([0x61, 0xff, 0x62], "a\u{fffd}b"), ([0xc3], "\u{fffd}"), ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}"), ([], ""),
            ([0xf0, 0x9f, 0xa6, 0x80], "\u{1f980}"), ([0xc0, 0xaf], "\u{fffd}\u{fffd}"),
        ] as [([UInt8], String)])
    func notUTF8(_ bytes: [UInt8], _ text: String) throws {
        let sample = try Sample()
        let introduction = try sample.read(
            sample.message { wire in
                wire.agentVersion = bytes
                wire.protocolVersion = bytes
                wire.protocols = [Array("/a".utf8), [0x2f, 0xff], Array("/b".utf8)]
            }
        ).introduction
        #expect(introduction.agentVersion == text && introduction.protocolVersion == text)
        #expect(introduction.protocols == ["/a", "/b"])
        #expect(introduction.listenAddresses == [try Sample.address(1)])
        let long = try sample.read(sample.message { $0.agentVersion = [UInt8](repeating: 0xff, count: 5_000) }).introduction.agentVersion
        #expect(long.utf8.count <= IdentifyLimits.versionLength && long.first == "\u{fffd}")
    }

    @Test("Ten messages are accepted, the eleventh is not")
    func tooManyMessages() throws {
        let sample = try Sample()
        var reader = IntroductionReader()
        for _ in 0..<10 { try reader.merge(sample.message()) }
        #expect(throws: StreamError(.messageTooLarge, "")) { try reader.merge(sample.message()) }
    }

    @Test("No message at all is an error")
    func noMessage() throws {
        #expect(throws: StreamError(.unexpectedEnd, "")) { try Sample().read() }
    }

    @Test("Bytes that are no message are an error")
    func malformed() throws {
        #expect(throws: StreamError(.malformed, "")) { try Sample().read(ByteBuffer(bytes: [0xff, 0xff, 0xff])) }
    }

    @Test("Another key than the one that was proved is an error")
    func wrongKey() throws {
        let (sample, other) = (try Sample(), try Sample())
        #expect(throws: StreamError(.wrongKey, "")) {
            try sample.read(sample.message { $0.publicKey = other.key.publicKey.protobufEncoded })
        }
        #expect(throws: StreamError(.wrongKey, "")) { try sample.read(sample.message { $0.publicKey = [1, 2, 3] }) }
        #expect(try sample.read(sample.message { $0.publicKey = nil }).introduction.publicKey == nil)
    }

    @Test("A record that the peer signed brings its addresses")
    func record() async throws {
        let sample = try Sample()
        let record = try await sample.record(sequence: 7, addresses: Sample.addresses(2))
        let reading = try sample.read(sample.message { $0.signedPeerRecord = record })
        #expect(reading.record?.sequence == 7)
        #expect(reading.recordError == nil)
        #expect(reading.introduction.signedRecord == record)
        #expect(reading.introduction.listenAddresses == (try Sample.addresses(2)))
    }

    @Test("A record that another peer signed is ignored, and says why")
    func foreignRecord() async throws {
        let (sample, other) = (try Sample(), try Sample())
        let record = try await other.record(addresses: Sample.addresses(2))
        let reading = try sample.read(sample.message { $0.signedPeerRecord = record })
        #expect(reading.record == nil)
        #expect(reading.recordError?.code == .wrongPeer)
        #expect(reading.introduction.signedRecord == nil)
        #expect(reading.introduction.listenAddresses == [try Sample.address(1)])
    }

    @Test("A record with a broken signature is ignored, and says why")
    func forgedRecord() async throws {
        let sample = try Sample()
        var record = try await sample.record(addresses: Sample.addresses(2))
        record[record.count - 1] ^= 1
        let reading = try sample.read(sample.message { $0.signedPeerRecord = record })
        #expect(reading.recordError?.code == .invalidSignature)
        #expect(reading.introduction.signedRecord == nil)
    }

    @Test("Lists are cut, and what can't be read in them is left out")
    func bounds() throws {
        let (sample, other) = (try Sample(), try Sample())
        let many = try Sample.addresses(200)
        let foreign = many[5].withPeerID(other.peer)
        let own = many[6].withPeerID(sample.peer)
        let reading = try sample.read(
            sample.message { wire in
                wire.listenAddresses = [[0xff, 0xff], [], foreign.bytes, own.bytes] + many.map(\.bytes)
                let names = ["", "/with\nnewline", String(repeating: "a", count: 2_000)] + (0..<400).map { "/p/\($0)" }
                wire.protocols = names.map { Array($0.utf8) }
                wire.agentVersion = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000)
                wire.observedAddress = [1]
            })
        #expect(reading.introduction.listenAddresses.count == 128)
        #expect(reading.introduction.listenAddresses.first == many[6])
        #expect(reading.introduction.protocols.count == 256)
        #expect(reading.introduction.protocols.first == "/p/0")
        #expect(reading.introduction.agentVersion == String(repeating: "x", count: 128))
        #expect(reading.introduction.observedAddress == nil)
    }
}
