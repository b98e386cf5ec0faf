import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PAutoNAT

@Suite("Messages of AutoNAT")
struct MessageTests {
    private static let address: Multiaddr = "/ip4/45.33.0.9/tcp/4001"

    @Test("A dial of the first version has the bytes that go sends, type 0 included")
    func version1Dial() throws {
        let message = AutoNATv1Message(.dial(peer: [1, 2], addresses: [Self.address]))
        #expect(Array(message.bytes.readableBytesView) == [8, 0, 0x12, 16, 0x0a, 14, 0x0a, 2, 1, 2, 0x12, 8] + Self.address.bytes)
        #expect(try AutoNATv1Message(reading: message.bytes) == message)
    }

    @Test("A response of the first version is read with and without its address")
    func version1Response() throws {
        for body: AutoNATv1Message.Body in [
            .response(.ok, text: "", address: Self.address), .response(.dialError, text: "dial failed", address: nil),
            .response(.dialRefused, text: "no", address: nil),
        ] {
            #expect(try AutoNATv1Message(reading: AutoNATv1Message(body).bytes).body == body)
        }
    }

    @Test("The nonce of the second version is fixed64, in a request and in a dial back")
    func version2Nonce() throws {
        let request = AutoNATv2Message.dialRequest([Self.address], nonce: 0x0102_0304_0506_0708)
        #expect(Array(request.bytes.readableBytesView) == [0x0a, 19, 0x0a, 8] + Self.address.bytes + [0x11, 8, 7, 6, 5, 4, 3, 2, 1])
        #expect(try AutoNATv2Message(reading: request.bytes) == request)
        let dialBack = DialBackMessage.bytes(nonce: 0x0102_0304_0506_0708)
        #expect(Array(dialBack.readableBytesView) == [9, 8, 7, 6, 5, 4, 3, 2, 1])
        #expect(try DialBackMessage.nonce(in: dialBack) == 0x0102_0304_0506_0708)
    }

    @Test("Every message of the second version is read as it was written")
    func version2() throws {
        for message: AutoNATv2Message in [
            .dialResponse(.ok, address: 3, .dialBackError), .dialResponse(.requestRejected, address: 0, .unused),
            .dialDataRequest(address: 1, bytes: 100_000), .dialData(4_000), .dialData(0),
        ] {
            #expect(try AutoNATv2Message(reading: message.bytes) == message)
        }
        #expect(AutoNATv2Message.dialData(AutoNATv2Message.dataLength).bytes.readableBytes <= 4_096, "rust takes no longer ones")
    }

    @Test("Addresses that are none keep their place, and only so many are looked at")
    func addresses() throws {
        let many = AutoNATv2Message.dialRequest([nil] + Array(repeating: Self.address, count: 99), nonce: 1)
        guard case .dialRequest(let addresses, _) = try AutoNATv2Message(reading: many.bytes) else {
            Issue.record("no request")
            return
        }
        #expect(addresses.count == AutoNATv2Message.maximumAddresses && addresses.first == .some(nil) && addresses[1] == Self.address)
        let dial = AutoNATv1Message(.dial(peer: [1], addresses: Array(repeating: Self.address, count: 40)))
        guard case .dial(_, let few) = try AutoNATv1Message(reading: dial.bytes).body else {
            Issue.record("no dial")
            return
        }
        #expect(few.count == AutoNATv1Message.maximumAddresses)
    }

    @Test("Whatever is cut short or changed is read or refused, and never traps")
    func hostile() {
        let messages = [
            AutoNATv1Message(.dial(peer: [1, 2], addresses: [Self.address])).bytes,
            AutoNATv2Message.dialRequest([Self.address], nonce: 7).bytes,
            AutoNATv2Message.dialResponse(.ok, address: .max, .ok).bytes, AutoNATv2Message.dialData(50).bytes,
            DialBackMessage.bytes(nonce: 1),
        ]
        for message in messages {
            let bytes = Array(message.readableBytesView)
            for at in bytes.indices {
                for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
                    var changed = bytes
                    changed[at] = value
                    for version in [changed, Array(changed.prefix(at))] {
                        let buffer = ByteBuffer(bytes: version)
                        _ = try? AutoNATv1Message(reading: buffer)
                        _ = try? AutoNATv2Message(reading: buffer)
                        _ = try? DialBackMessage.nonce(in: buffer)
                    }
                }
            }
        }
        for bytes: [UInt8] in [
            [], [0], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], [0x0b],
        ] {
            #expect(throws: AutoNATError.self) { try AutoNATv2Message(reading: ByteBuffer(bytes: bytes)) }
            #expect(throws: AutoNATError.self) { try AutoNATv1Message(reading: ByteBuffer(bytes: bytes)) }
        }
    }
}
