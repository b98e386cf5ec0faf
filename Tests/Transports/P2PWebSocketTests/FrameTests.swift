import NIOCore
import P2PCore
import P2PPipeline
import Testing

@testable import P2PWebSocket

@Suite("WebSocket frames")
struct FrameTests {
    private static let lengths = [0, 1, 2, 3, 4, 5, 63, 64, 65, 125, 126, 127, 128, 2_040, 2_041, 65_528, 65_529, 65_535, 65_536, 200_000]

    @Test("Every length comes out as it went in, whoever sends it, in pieces of any size", arguments: Self.lengths, [Int.max, 1, 7])
    func roundTrip(length: Int, step: Int) throws {
        let payload = ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        for (sender, receiver) in [(WebSocketSide.client, WebSocketSide.server), (.server, .client)] {
            let frame = WebSocketFrameWriter(side: sender).frame(.binary, payload: payload)
            let inputs = try read(frame, as: receiver, step: length > 3_000 && step == 1 ? 13 : step)
            #expect(data(inputs) == Array(payload.readableBytesView))
            guard case .data(_, isText: false, endsMessage: true)? = inputs.last else {
                Issue.record("the last piece ends the message: \(String(describing: inputs.last))")
                continue
            }
        }
    }

    @Test("A peer that sends a byte a frame makes us hold about as much, and no buffer of the pool for each")
    func tinyFrames() throws {
        let frame = WebSocketFrameWriter(side: .client).frame(.binary, payload: ByteBuffer(bytes: [7]))
        var wire = ByteBuffer()
        for _ in 0..<100 { wire.writeImmutableBuffer(frame) }
        let inputs = try read(wire, as: .server)
        #expect(inputs.count == 100)
        for case .data(let piece, _, _) in inputs { #expect(piece.storageCapacity <= 16) }
    }

    @Test("The packer fills frames of the size of a pooled buffer", arguments: Self.lengths)
    func packer(length: Int) throws {
        var packer = WebSocketFramePacker()
        let pool = RecordPool()
        var (wire, bytes) = (ByteBuffer(), ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 17) }))
        let expected = Array(bytes.readableBytesView)
        while bytes.readableBytes > 0 {
            if packer.append(&bytes, pool: pool) { wire.writeImmutableBuffer(packer.end()) }
        }
        if packer.hasFrame { wire.writeImmutableBuffer(packer.end()) }
        #expect(data(try read(wire, as: .server)) == expected)
        #expect(wire.readableBytes <= length + (length / 65_000 + 1) * 8)
    }

    @Test("A mask applied in two cuts is the mask applied at once", arguments: 0..<70)
    func mask(cut: Int) {
        let source = (0..<200).map { UInt8($0) }
        var expected: [UInt8] = []
        for (index, byte) in source.enumerated() { expected.append(byte ^ [0x12, 0x34, 0x56, 0x78][index % 4]) }
        var mask = WebSocketMask(key: 0x1234_5678)
        var (input, output) = (ByteBuffer(bytes: source), ByteBuffer())
        mask.move(cut, from: &input, to: &output)
        mask.move(200 - cut, from: &input, to: &output)
        #expect(Array(output.readableBytesView) == expected)
    }

    @Test("Fragments are passed on as they come, with control frames in between")
    func fragments() throws {
        var wire = rawFrame(0x02, [1, 2])
        wire.writeImmutableBuffer(rawFrame(0x89, [9]))
        wire.writeImmutableBuffer(rawFrame(0x00, []))
        wire.writeImmutableBuffer(rawFrame(0x80, [3]))
        let inputs = try read(wire, as: .server)
        #expect(inputs.count == 4)
        #expect(data(inputs) == [1, 2, 3])
        #expect(inputs[1] == .ping(ByteBuffer(bytes: [9])))
    }

    private static let broken: [(String, ByteBuffer, String)] = [
        ("RSV1", rawFrame(0xc2, [1]), "reserved bits"),
        ("RSV2", rawFrame(0xa2, [1]), "reserved bits"),
        ("RSV3", rawFrame(0x92, [1]), "reserved bits"),
        ("RSV1 on a ping", rawFrame(0xc9), "reserved bits"),
        ("opcode 3", rawFrame(0x83), "reserved opcode"),
        ("opcode 7", rawFrame(0x87), "reserved opcode"),
        ("opcode 11", rawFrame(0x8b), "reserved opcode"),
        ("opcode 15", rawFrame(0x8f), "reserved opcode"),
        ("no mask", ByteBuffer(bytes: [0x82, 0x01, 0x00]), "not masked"),
        ("fragmented ping", rawFrame(0x09), "fragmented"),
        ("ping of 126", rawFrame(0x89, [UInt8](repeating: 0, count: 126)), "longer than 125"),
        ("ping of 2^63", ByteBuffer(bytes: [0x89, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), "longer than 125"),
        ("continuation of nothing", rawFrame(0x80, [1]), "continues nothing"),
        ("text", rawFrame(0x81, [0x61]), "text frame"),
        ("length 125 in 2 bytes", ByteBuffer(bytes: [0x82, 0xfe, 0, 125, 0, 0, 0, 0]), "instead of fewer"),
        ("length 65535 in 8 bytes", ByteBuffer(bytes: [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]), "instead of fewer"),
        ("length 2^63", ByteBuffer(bytes: [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "highest bit"),
        ("length 2^64 - 1", ByteBuffer(bytes: [0x82] + [UInt8](repeating: 0xff, count: 13)), "highest bit"),
        ("half a close code", rawFrame(0x88, [3]), "half a code"),
        ("close code 1005", rawFrame(0x88, [0x03, 0xed]), "code 1005"),
        ("close code 0", rawFrame(0x88, [0, 0]), "code 0"),
        ("close code 5000", rawFrame(0x88, [0x13, 0x88]), "code 5000"),
        ("close reason not UTF-8", rawFrame(0x88, [0x03, 0xe8, 0xff]), "not UTF-8"),
    ]

    @Test(
        "What NIOWebSocket lets pass, and the rest of section 5, is refused",
        arguments: Self.broken)
    func refused(name: String, wire: ByteBuffer, reason: String) {
        for step in [Int.max, 1] {
            let error = #expect(throws: WebSocketError.self) { try read(wire, as: .server, step: step) }
            #expect(error?.message.contains(reason) == true, "\(name): \(String(describing: error))")
        }
    }

    @Test("A new message within a message is refused, and so is a mask from a server")
    func outOfTurn() {
        var wire = rawFrame(0x02, [1])
        wire.writeImmutableBuffer(rawFrame(0x82, [1]))
        let interleaved = wire
        #expect(throws: WebSocketError(.protocolError, "")) { try read(interleaved, as: .server) }
        #expect(throws: WebSocketError(.protocolError, "")) { try read(rawFrame(0x82, [1]), as: .client) }
    }

    @Test("A frame of 2^63 - 1 bytes costs no memory, and its bytes are passed on as they come")
    func longest() throws {
        var wire = ByteBuffer(bytes: [0x82, 0xff, 0x7f] + [UInt8](repeating: 0xff, count: 7) + [0, 0, 0, 0])
        wire.writeBytes([1, 2, 3])
        #expect(try read(wire, as: .server) == [.data(ByteBuffer(bytes: [1, 2, 3]), isText: false, endsMessage: false)])
    }

    @Test("Text is checked across frames and pieces", arguments: [Int.max, 1, 2])
    func text(step: Int) throws {
        let text = Array("Grüße, κόσμε, 👋".utf8)
        for cut in 0...text.count {
            var wire = rawFrame(0x01, Array(text[..<cut]))
            wire.writeImmutableBuffer(rawFrame(0x80, Array(text[cut...])))
            #expect(data(try read(wire, as: .server, takesText: true, step: step)) == text)
        }
        for broken: [UInt8] in [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xf8]] {
            #expect(throws: WebSocketError(.invalidText, "")) {
                try read(rawFrame(0x81, broken), as: .server, takesText: true, step: step)
            }
        }
    }

    @Test("Swift's own decoder agrees about what is UTF-8")
    func utf8() {
        var generator = SystemRandomNumberGenerator()
        let interesting: [UInt8] = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5,
        ]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...5, using: &generator)).map { _ in interesting.randomElement(using: &generator) ?? 0 }
            var check = UTF8Check()
            let accepted = bytes.withUnsafeBytes { check.accepts($0) } && check.isComplete
            #expect(accepted == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }
}
