import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats
import Testing

@testable import P2PIdentify

@Suite("What an introduction looks like on the wire")
struct IntroductionWriterTests {
    private func decode(_ message: ByteBuffer) throws -> IdentifyMessage {
        var message = message
        let length = try message.readUnsignedVarint()
        #expect(length == UInt64(message.readableBytes))
        var wire = IdentifyMessage()
        try wire.merge(message)
        return wire
    }

    @Test("All that fits is sent")
    func whole() async throws {
        let sample = try Sample()
        let record = try await sample.record(addresses: Sample.addresses(3))
        let wire = try self.decode(
            try IntroductionWriter.encode(
                Introduction(
                    publicKey: sample.key.publicKey, listenAddresses: Sample.addresses(3), protocols: ["/a", "/b"],
                    observedAddress: Sample.address(9), protocolVersion: "ipfs/0.1.0", agentVersion: "me/1", signedRecord: record)))
        #expect(wire.publicKey == sample.key.publicKey.protobufEncoded)
        #expect(try wire.listenAddresses == Sample.addresses(3).map(\.bytes))
        #expect(wire.protocols.map(Self.text) == ["/a", "/b"])
        #expect(try wire.observedAddress == Sample.address(9).bytes)
        #expect(Self.text(wire.protocolVersion) == "ipfs/0.1.0")
        #expect(Self.text(wire.agentVersion) == "me/1")
        #expect(wire.signedPeerRecord == record)
    }

    @Test("Addresses go first, from the last, and the signed record stays")
    func manyAddresses() async throws {
        let sample = try Sample(.rsa)
        let record = try await sample.record(addresses: Sample.addresses(30))
        let introduction = Introduction(
            publicKey: sample.key.publicKey, listenAddresses: try Sample.addresses(128),
            protocols: (0..<60).map { ProtocolID("/protocol/\($0)") },
            signedRecord: record)
        let message = try IntroductionWriter.encode(introduction, upTo: 3_000)
        #expect(message.readableBytes <= 3_000)
        #expect(message.readableBytes > 2_900)
        let wire = try self.decode(message)
        #expect(wire.signedPeerRecord == record)
        #expect(wire.protocols.count == 60)
        #expect((1..<128).contains(wire.listenAddresses.count))
        #expect(try wire.listenAddresses == Sample.addresses(wire.listenAddresses.count).map(\.bytes))
        #expect(try IntroductionWriter.encode(introduction, upTo: 3_000) == message)
    }

    @Test("A record that leaves room for no address goes, and addresses come back")
    func largeRecord() async throws {
        let sample = try Sample()
        let introduction = Introduction(
            publicKey: sample.key.publicKey, listenAddresses: try Sample.addresses(5), protocols: ["/a"],
            signedRecord: [UInt8](repeating: 0, count: 4_090))
        let wire = try self.decode(try IntroductionWriter.encode(introduction))
        #expect(wire.signedPeerRecord == nil)
        #expect(wire.listenAddresses.count == 5)
        #expect(wire.protocols.map(Self.text) == ["/a"])
    }

    @Test("Protocols go last, from the last, and the key never")
    func manyProtocols() throws {
        let sample = try Sample(.rsa)
        let introduction = Introduction(
            publicKey: sample.key.publicKey, listenAddresses: try Sample.addresses(50),
            protocols: (0..<300).map { ProtocolID("/a-rather-long-name-of-a-protocol/version/\($0)") },
            agentVersion: String(repeating: "é", count: 200))
        let message = try IntroductionWriter.encode(introduction)
        #expect(message.readableBytes <= IdentifyLimits.sentMessageSize)
        let wire = try self.decode(message)
        #expect(wire.publicKey == sample.key.publicKey.protobufEncoded)
        #expect(wire.listenAddresses.isEmpty)
        #expect(wire.protocols.map(Self.text) == introduction.protocols.prefix(wire.protocols.count).map(\.name))
        #expect(wire.protocols.count > 50)
        #expect(Self.text(wire.agentVersion) == String(repeating: "é", count: 64))
    }

    private static func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
}
