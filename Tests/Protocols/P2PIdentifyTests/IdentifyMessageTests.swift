import NIOCore
import P2PProtobuf
import Testing

@testable import P2PIdentify

@Suite("The identify message byte by byte")
struct IdentifyMessageTests {
    private func merged(_ messages: [UInt8]...) throws -> IdentifyMessage {
        var message = IdentifyMessage()
        for bytes in messages { try message.merge(ByteBuffer(bytes: bytes)) }
        return message
    }

    @Test("Each field has its number, and they stand in order")
    func fields() throws {
        var message = IdentifyMessage()
        message.publicKey = [1]
        message.listenAddresses = [[2], [3, 3]]
        message.protocols = [Array("/a".utf8)]
        message.observedAddress = [4]
        message.protocolVersion = Array("v".utf8)
        message.agentVersion = []
        message.signedPeerRecord = [8]
        let bytes: [UInt8] = [
            0x0a, 1, 1, 0x12, 1, 2, 0x12, 2, 3, 3, 0x1a, 2, 0x2f, 0x61, 0x22, 1, 4, 0x2a, 1, 0x76, 0x32, 0, 0x42, 1, 8,
        ]
        #expect(Array(message.encoded.readableBytesView) == bytes)
        #expect(try self.merged(bytes) == message)
        #expect(IdentifyMessage().encoded.readableBytes == 0)
    }

    @Test("Fields that are unknown, or of another wire type, mean nothing")
    func unknown() throws {
        let bytes: [UInt8] = [0x08, 1, 0x3a, 1, 7, 0x62, 2, 1, 2, 0x0d, 1, 2, 3, 4, 0x32, 1, 0x78, 0x11, 1, 2, 3, 4, 5, 6, 7, 8]
        var expected = IdentifyMessage()
        expected.agentVersion = [0x78]
        #expect(try self.merged(bytes) == expected)
    }

    @Test("In a message, and over several, lists grow and single fields are replaced")
    func merging() throws {
        let message = try self.merged([0x12, 1, 1, 0x32, 1, 0x61, 0x32, 1, 0x62], [0x12, 1, 2, 0x32, 1, 0x63])
        #expect(message.listenAddresses == [[1], [2]])
        #expect(message.agentVersion == [0x63])
    }

    @Test("Of a list so many entries are kept, in one message or in several")
    func entries() throws {
        let many = [UInt8]((0..<700).flatMap { _ in [0x12, 1, 7, 0x1a, 0] as [UInt8] })
        let message = try self.merged(many, many, many)
        #expect(message.listenAddresses.count == IdentifyLimits.entries && message.protocols.count == IdentifyLimits.entries)
    }

    @Test(
        "What is no message leaves what came before as it was",
        arguments: [[0x12, 1, 9, 0x12, 2, 9], [0x0b, 0x0c], [0x12, 1, 9, 0x08]] as [[UInt8]])
    func malformed(bytes: [UInt8]) throws {
        var message = try self.merged([0x12, 1, 1])
        #expect(throws: ProtobufError.self) { try message.merge(ByteBuffer(bytes: bytes)) }
        #expect(message.listenAddresses == [[1]])
    }
}
