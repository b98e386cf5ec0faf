import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiformats
import Testing

@testable import P2PPlaintext

@Suite("The plaintext exchange")
struct PlaintextExchangeTests {
    private let ours = Result { try PrivateKey.generate(.ed25519).publicKey }
    private let theirs = Result { try PrivateKey.generate(.ecdsa).publicKey }

    /// A message of two fields, with its length.
    private static func message(id: [UInt8]?, key: [UInt8]?) -> [UInt8] {
        var body: [UInt8] = []
        for (tag, field) in [(UInt8(0x0a), id), (0x12, key)] {
            guard let field else { continue }
            body += [tag] + UnsignedVarint.encode(UInt64(field.count)) + field
        }
        return UnsignedVarint.encode(UInt64(body.count)) + body
    }

    private func exchange(expecting peer: PeerID? = nil) throws -> PlaintextExchange {
        PlaintextExchange(key: try self.ours.get(), expecting: peer)
    }

    private func failure(of bytes: [UInt8], expecting peer: PeerID? = nil) throws -> PlaintextError.Code? {
        var exchange = try self.exchange(expecting: peer)
        var input = ByteBuffer(bytes: bytes)
        do throws(PlaintextError) {
            _ = try exchange.received(&input)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("Our message has our id and our key")
    func ourMessage() throws {
        let key = try self.ours.get()
        let message = try self.exchange().message()
        #expect(Array(message.readableBytesView) == Self.message(id: PeerID(key).bytes, key: key.protobufEncoded))
    }

    @Test("The peer's message is read however it is cut, and no byte behind it", arguments: [1, 2, 7, .max])
    func cut(piece: Int) throws {
        let key = try self.theirs.get()
        var exchange = try self.exchange(expecting: PeerID(key))
        let message = Self.message(id: PeerID(key).bytes, key: key.protobufEncoded)
        var rest = ByteBuffer(bytes: message + [1, 2, 3])
        var claimed: PlaintextExchange.Progress = .more
        while claimed == .more, var part = rest.readSlice(length: min(piece, rest.readableBytes)), part.readableBytes > 0 {
            claimed = try exchange.received(&part)
            rest.moveReaderIndex(to: rest.readerIndex - part.readableBytes)
        }
        #expect(claimed == .claimed(PeerID(key), key))
        #expect(Array(rest.readableBytesView) == [1, 2, 3])
    }

    @Test("An id that is not that of the key is refused")
    func inconsistent() throws {
        let (one, two) = (try self.ours.get(), try self.theirs.get())
        #expect(try self.failure(of: Self.message(id: PeerID(one).bytes, key: two.protobufEncoded)) == .inconsistentIdentity)
    }

    @Test("Another peer than the expected one is refused")
    func mismatch() throws {
        let (one, two) = (try self.ours.get(), try self.theirs.get())
        let message = Self.message(id: PeerID(two).bytes, key: two.protobufEncoded)
        #expect(try self.failure(of: message, expecting: PeerID(one)) == .peerMismatch)
        #expect(try self.failure(of: message, expecting: PeerID(two)) == nil)
    }

    @Test("A message without its id, its key or both is refused")
    func incomplete() throws {
        let key = try self.theirs.get()
        #expect(try self.failure(of: Self.message(id: PeerID(key).bytes, key: nil)) == .malformed)
        #expect(try self.failure(of: Self.message(id: nil, key: key.protobufEncoded)) == .malformed)
        #expect(try self.failure(of: [0]) == .malformed)
        #expect(try self.failure(of: Self.message(id: PeerID(key).bytes, key: [])) == .invalidIdentityKey)
        #expect(try self.failure(of: Self.message(id: [], key: key.protobufEncoded)) == .inconsistentIdentity)
        #expect(try self.failure(of: Self.message(id: PeerID(key).bytes, key: [8, 9, 18, 1, 0])) == .invalidIdentityKey)
    }

    @Test("What is no protobuf message is refused")
    func noProtobuf() throws {
        #expect(try self.failure(of: [3, 0x0a, 0x7f, 0]) == .malformed)
        #expect(try self.failure(of: [1, 0xff]) == .malformed)
    }

    @Test("A length beyond the limit, or no length at all, is refused before a byte of the message is taken")
    func lengths() throws {
        #expect(try self.failure(of: UnsignedVarint.encode(4_097)) == .messageTooLong)
        #expect(try self.failure(of: UnsignedVarint.encode(UnsignedVarint.maxValue)) == .messageTooLong)
        #expect(try self.failure(of: [0x81, 0]) == .malformed)
        #expect(try self.failure(of: [UInt8](repeating: 0xff, count: 10)) == .malformed)
        // At the limit it is read, and refused for what it says.
        #expect(try self.failure(of: UnsignedVarint.encode(4_096) + [UInt8](repeating: 0xff, count: 4_096)) == .malformed)
    }

    @Test("A field that comes twice counts the last time, and both must fit")
    func duplicates() throws {
        let (one, two) = (try self.ours.get(), try self.theirs.get())
        let first = Self.message(id: PeerID(two).bytes, key: two.protobufEncoded).drop { $0 >= 0x80 }.dropFirst()
        let body = Array(first) + [0x0a, UInt8(PeerID(one).bytes.count)] + PeerID(one).bytes
        #expect(try self.failure(of: UnsignedVarint.encode(UInt64(body.count)) + body) == .inconsistentIdentity)
    }
}
