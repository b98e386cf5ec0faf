import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PIdentify

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("What a peer's introduction is worth")
struct IntroductionReaderTests {
    @Test("Messages are merged: lists grow, single fields are replaced")
    func merges() async throws {
        let sample = try Sample()
        let second = try Sample.address(2)
        let reading = try sample.read(
            sample.message(),
            sample.message { wire in
                wire.listenAddrs = [Data(second.bytes), Data(second.bytes)]
                wire.protocols = ["/echo/1.0.0", "/ipfs/ping/1.0.0"]
                wire.agentVersion = "sample/2"
            })
        #expect(reading.introduction.publicKey == sample.key.publicKey)
        #expect(reading.introduction.listenAddresses == [try Sample.address(1), second])
        #expect(reading.introduction.protocols == ["/ipfs/ping/1.0.0", "/echo/1.0.0"])
        #expect(reading.introduction.agentVersion == "sample/2")
        #expect(reading.introduction.signedRecord == nil)
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
            try sample.read(sample.message { $0.publicKey = Data(other.key.publicKey.protobufEncoded) })
        }
        #expect(throws: StreamError(.wrongKey, "")) { try sample.read(sample.message { $0.publicKey = Data([1, 2, 3]) }) }
        #expect(try sample.read(sample.message { $0.clearPublicKey() }).introduction.publicKey == nil)
    }

    @Test("A record that the peer signed brings its addresses")
    func record() async throws {
        let sample = try Sample()
        let record = try await sample.record(sequence: 7, addresses: Sample.addresses(2))
        let reading = try sample.read(sample.message { $0.signedPeerRecord = Data(record) })
        #expect(reading.record?.sequence == 7)
        #expect(reading.recordError == nil)
        #expect(reading.introduction.signedRecord == record)
        #expect(reading.introduction.listenAddresses == (try Sample.addresses(2)))
    }

    @Test("A record that another peer signed is ignored, and says why")
    func foreignRecord() async throws {
        let (sample, other) = (try Sample(), try Sample())
        let record = try await other.record(addresses: Sample.addresses(2))
        let reading = try sample.read(sample.message { $0.signedPeerRecord = Data(record) })
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
        let reading = try sample.read(sample.message { $0.signedPeerRecord = Data(record) })
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
                wire.listenAddrs = [Data([0xff, 0xff]), Data(), Data(foreign.bytes), Data(own.bytes)] + many.map { Data($0.bytes) }
                wire.protocols = ["", "/with\nnewline", String(repeating: "a", count: 2_000)] + (0..<400).map { "/p/\($0)" }
                wire.agentVersion = String(repeating: "x", count: 1_000)
                wire.observedAddr = Data([1])
            })
        #expect(reading.introduction.listenAddresses.count == 128)
        #expect(reading.introduction.listenAddresses.first == many[6])
        #expect(reading.introduction.protocols.count == 256)
        #expect(reading.introduction.protocols.first == "/p/0")
        #expect(reading.introduction.agentVersion == String(repeating: "x", count: 128))
        #expect(reading.introduction.observedAddress == nil)
    }
}
