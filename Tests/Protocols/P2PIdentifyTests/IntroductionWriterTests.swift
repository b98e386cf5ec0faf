import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats
import SwiftProtobuf
import Testing

@testable import P2PIdentify

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("What an introduction looks like on the wire")
struct IntroductionWriterTests {
    private func decode(_ message: ByteBuffer) throws -> WireIdentify {
        var message = message
        let length = try message.readUnsignedVarint()
        #expect(length == UInt64(message.readableBytes))
        return try WireIdentify(serializedBytes: Array(message.readableBytesView))
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
        #expect(Array(wire.publicKey) == sample.key.publicKey.protobufEncoded)
        #expect(try wire.listenAddrs.map { Array($0) } == Sample.addresses(3).map(\.bytes))
        #expect(wire.protocols.map(Self.text) == ["/a", "/b"])
        #expect(try Array(wire.observedAddr) == Sample.address(9).bytes)
        #expect(Self.text(wire.protocolVersion) == "ipfs/0.1.0")
        #expect(Self.text(wire.agentVersion) == "me/1")
        #expect(Array(wire.signedPeerRecord) == record)
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
        #expect(Array(wire.signedPeerRecord) == record)
        #expect(wire.protocols.count == 60)
        #expect((1..<128).contains(wire.listenAddrs.count))
        #expect(try wire.listenAddrs.map { Array($0) } == Sample.addresses(wire.listenAddrs.count).map(\.bytes))
        #expect(try IntroductionWriter.encode(introduction, upTo: 3_000) == message)
    }

    @Test("A record that leaves room for no address goes, and addresses come back")
    func largeRecord() async throws {
        let sample = try Sample()
        let introduction = Introduction(
            publicKey: sample.key.publicKey, listenAddresses: try Sample.addresses(5), protocols: ["/a"],
            signedRecord: [UInt8](repeating: 0, count: 4_090))
        let wire = try self.decode(try IntroductionWriter.encode(introduction))
        #expect(!wire.hasSignedPeerRecord)
        #expect(wire.listenAddrs.count == 5)
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
        #expect(Array(wire.publicKey) == sample.key.publicKey.protobufEncoded)
        #expect(wire.listenAddrs.isEmpty)
        #expect(wire.protocols.map(Self.text) == introduction.protocols.prefix(wire.protocols.count).map(\.name))
        #expect(wire.protocols.count > 50)
        #expect(Self.text(wire.agentVersion) == String(repeating: "é", count: 64))
    }

    private static func text(_ bytes: Data) -> String { String(decoding: bytes, as: UTF8.self) }
}
