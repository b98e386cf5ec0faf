import HTTPTypes
import NIOCore
import P2PCore
import P2PHTTP
import Testing

@testable import P2PHTTP2

@Suite("HTTP/2 from hostile peers", .timeLimit(.minutes(1)))
struct HTTP2HostileTests {
    private static let service = HTTP2Service(HTTPClosureResponder { .text(.ok, $0.head.path ?? "") })

    private static func headers(_ stream: UInt32, _ block: [UInt8] = RawFrame.get, isLast: Bool = true) -> RawFrame {
        RawFrame(.headers, stream, flags: RawFrame.endHeaders | (isLast ? RawFrame.endStream : 0), block)
    }

    /// A field that HPACK's tables have not, and whose value has so many bytes.
    private static func long(_ name: String, _ count: Int) -> [UInt8] {
        // An integer of more than 7 bits (RFC 7541, section 5.1).
        var (length, rest) = ([UInt8(0x7f)], count - 0x7f)
        while rest >= 0x80 {
            length.append(UInt8(rest & 0x7f | 0x80))
            rest >>= 7
        }
        return [0x00, UInt8(name.utf8.count)] + name.utf8 + length + [UInt8(rest)] + Array(repeating: UInt8(ascii: "x"), count: count)
    }

    private static func short(_ name: String, _ value: String) -> [UInt8] {
        [0x00, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
    }

    private static let odd = (0..<400).map { UInt32($0 * 2 + 1) }
    private static let calm: UInt32 = 11
    private static let protocolError: UInt32 = 1

    private static func many(_ count: Int, _ frame: RawFrame) -> [RawFrame] { Array(repeating: frame, count: count) }

    private static let zeros = Array(repeating: UInt8(0), count: 8)

    static let floods: [(name: String, frames: [RawFrame], code: UInt32)] = [
        ("resets", Self.odd.flatMap { [Self.headers($0, isLast: false), RawFrame(.reset, $0, [0, 0, 0, 8])] }, Self.calm),
        (
            "continuations", [RawFrame(.headers, 1, flags: RawFrame.endStream, RawFrame.get)] + Self.many(100, RawFrame(.continuation, 1)),
            Self.calm
        ),
        ("pings", Self.many(400, RawFrame(.ping, 0, Self.zeros)), Self.calm),
        ("settings", Self.many(400, RawFrame(.settings)), Self.calm),
        ("empty data", [Self.headers(1, isLast: false)] + Self.many(10, RawFrame(.data, 1)), Self.calm),
        (
            "a head that never ends",
            [RawFrame(.headers, 1, Self.long("a", 8_000))] + Self.many(5, RawFrame(.continuation, 1, Self.long("a", 16_000))),
            Self.protocolError
        ),
        ("a frame longer than agreed on", [RawFrame(.data, 1, Array(repeating: 0, count: 20_000))], 6),
        ("a window update of nothing", [RawFrame(.windowUpdate, 0, [0, 0, 0, 0])], Self.protocolError),
        ("a window beyond its bounds", [RawFrame(.windowUpdate, 0, [0x7f, 0xff, 0xff, 0xff])], 3),
        ("another frame within a head", [RawFrame(.headers, 1, RawFrame.get), RawFrame(.ping, 0, Self.zeros)], Self.protocolError),
        ("no entry of that index in the table", [Self.headers(1, [0xff, 0x80, 0x01])], 9),
    ]

    @Test("Floods and broken frames end the stream, with GOAWAY", arguments: Self.floods)
    func broken(name: String, frames: [RawFrame], code: UInt32) async throws {
        let peer = try await RawHTTP2(Self.service)
        await peer.send(frames)
        let said = try await peer.rest()
        let codes = said.filter { $0.type == .goAway }.map(\.errorCode)
        // What comes behind what was wrong is answered alike.
        #expect(Set(codes) == [code], "\(name): \(codes)")
    }

    @Test("What resets take the peer cannot have more of than the limits say, and nobody works on for them")
    func rapidResets() async throws {
        let living = Living()
        let peer = try await RawHTTP2(
            HTTP2Service(
                HTTPClosureResponder { _ in
                    living.begin()
                    defer { living.end() }
                    try await Task.sleep(for: .seconds(600))
                    return .text(.ok, "")
                }))
        await peer.send(Self.odd.flatMap { [Self.headers($0), RawFrame(.reset, $0, [0, 0, 0, 8])] })
        #expect(try await peer.rest().contains { $0.type == .goAway && $0.errorCode == Self.calm })
        #expect(living.ever <= HTTP2Limits().resets + 1)
    }

    @Test("More exchanges at a time than agreed on are refused, and the others go on")
    func tooMany() async throws {
        var limits = HTTP2Limits()
        limits.exchanges = 4
        let living = Living()
        let peer = try await RawHTTP2(
            HTTP2Service(
                HTTPClosureResponder { request in
                    living.begin()
                    defer { living.end() }
                    return .text(.ok, "\(try await request.body.collect(upTo: 100).readableBytes)")
                }, limits: limits))
        // It has not acknowledged any settings, and never will.
        await peer.send(Self.odd.prefix(40).map { Self.headers($0, isLast: false) })
        var refused: Set<UInt32> = []
        while refused.count < 32, let frame = await peer.next() {
            if frame.type == .reset, frame.errorCode == 7 { refused.insert(frame.stream) }
        }
        let taken = Set(Self.odd.prefix(40)).subtracting(refused)
        #expect(taken.count == 8)
        for stream in taken.sorted() {
            await peer.send([RawFrame(.data, stream, flags: RawFrame.endStream, [1, 2, 3])])
            let answer = await peer.answer(to: stream)
            #expect(answer.contains { $0.type == .data && $0.payload == Array("3\n".utf8) }, "\(answer)")
        }
        #expect(living.peak <= 8)
    }

    @Test("What comes of bodies counts for the peer until it is read, or its exchange is over", arguments: [UInt8(0), 8])
    func counted(padding: UInt8) async throws {
        let gates = (0..<3).map { _ in AsyncStream<Void>.makeStream() }
        let peer = try await RawHTTP2(
            HTTP2Service(
                HTTPClosureResponder { request in
                    guard let number = Int(request.head.path?.dropFirst() ?? "") else { return .text(.ok, "") }
                    for await _ in gates[number].stream { break }
                    return .text(.ok, number == 0 ? "\(try await request.body.collect(upTo: 100_000).readableBytes)" : "not read")
                }))
        let size = 16_000
        for number in 0..<3 {
            let stream = UInt32(number * 2 + 1)
            let head = [0x82, 0x86] + Self.short(":path", "/\(number)") + Self.short(":authority", "a")
            let pad = padding == 0 ? [] : [padding]
            let payload = pad + Array(repeating: 1, count: size) + Array(repeating: 0, count: Int(padding))
            await peer.send([Self.headers(stream, head, isLast: false)] + Self.many(3, RawFrame(.data, stream, flags: padding, payload)))
        }
        // An exchange that is answered behind them says that they have come.
        await peer.send([Self.headers(7)])
        _ = await peer.answer(to: 7)
        // With the room of the records in which they lie.
        await until { (9 * size..<15 * size).contains(peer.heldBytes) }
        gates[0].continuation.yield()
        await peer.send([RawFrame(.data, 1, flags: RawFrame.endStream, [])])
        #expect(await peer.answer(to: 1).contains { $0.payload == Array("\(3 * size)\n".utf8) })
        await until { (6 * size..<9 * size).contains(peer.heldBytes) }
        // One is answered unread, and one is reset.
        gates[1].continuation.yield()
        _ = await peer.answer(to: 3)
        await until { (3 * size..<6 * size).contains(peer.heldBytes) }
        await peer.send([RawFrame(.reset, 5, [0, 0, 0, 8])])
        await until { peer.heldBytes == 0 }
    }

    @Test("A body that comes a byte at a time counts for what it takes until it is read")
    func countedSmall() async throws {
        let (gate, isOpen) = AsyncStream<Void>.makeStream()
        let (begun, isBegun) = AsyncStream<Void>.makeStream()
        let peer = try await RawHTTP2(
            HTTP2Service(
                HTTPClosureResponder { request in
                    guard request.head.path != "/behind" else { return .text(.ok, "") }
                    isBegun.yield()
                    for await _ in gate { break }
                    return .text(.ok, "\(try await request.body.collect(upTo: 100_000).readableBytes)")
                }))
        await peer.send([Self.headers(1, isLast: false)])
        for await _ in begun { break }
        await peer.send(Self.many(5_000, RawFrame(.data, 1, [7])))
        await peer.send([Self.headers(3, [0x82, 0x86] + Self.short(":path", "/behind") + Self.short(":authority", "a"))])
        _ = await peer.answer(to: 3)
        await until { peer.heldBytes > 5_000 * 100 }
        isOpen.yield()
        await peer.send([RawFrame(.data, 1, flags: RawFrame.endStream, [])])
        #expect(await peer.answer(to: 1).contains { $0.payload == Array("5000\n".utf8) })
        await until { peer.heldBytes == 0 }
    }

    @Test("What still counts when the stream ends counts no more")
    func countedToTheEnd() async throws {
        let peer = try await RawHTTP2(
            HTTP2Service(
                HTTPClosureResponder { _ in
                    try await Task.sleep(for: .seconds(600))
                    return .text(.ok, "")
                }))
        await peer.send([Self.headers(1, isLast: false), RawFrame(.data, 1, Array(repeating: 1, count: 16_000))])
        await until { (16_000..<40_000).contains(peer.heldBytes) }
        peer.stream.reset()
        await until { peer.heldBytes == 0 }
    }

    @Test(
        "What is no request ends its exchange, and the next one is answered",
        arguments: [
            ("no path", [0x82, 0x86]), ("no method", [0x86, 0x84]), ("two paths", [0x82, 0x86, 0x84, 0x85]),
            ("a path without a slash", [0x82, 0x86] + Self.short(":path", "x")),
            ("a space in the path", [0x82, 0x86] + Self.short(":path", "/a b")),
            ("an unknown pseudo-field", RawFrame.get + Self.short(":what", "x")),
            ("a pseudo-field behind a field", [0x82, 0x86] + Self.short("a", "b") + [0x84]),
            ("a field of connections", RawFrame.get + Self.short("connection", "close")),
            ("chunks", RawFrame.get + Self.short("transfer-encoding", "chunked")),
            ("a line's end in a value", RawFrame.get + Self.short("a", "b\r\nc: d")), ("upper case", RawFrame.get + Self.short("A", "b")),
            ("two lengths", RawFrame.get + Self.short("content-length", "0") + Self.short("content-length", "1")),
            ("a length that is none", RawFrame.get + Self.short("content-length", "+1")),
            ("a length that is not kept", RawFrame.get + Self.short("content-length", "5")),
            ("CONNECT", Self.short(":method", "CONNECT") + Self.short(":authority", "a:1")),
        ])
    func malformed(name: String, block: [UInt8]) async throws {
        let peer = try await RawHTTP2(Self.service)
        await peer.send([Self.headers(1, block), Self.headers(3)])
        let said = await peer.answer(to: 3)
        #expect(said.contains { $0.type == .data && $0.payload == Array("/\n".utf8) }, "\(name): \(said)")
        let again = try await RawHTTP2(Self.service)
        await again.send([Self.headers(1, block)])
        let refusal = await again.answer(to: 1)
        #expect(refusal.last?.type == .reset && refusal.last?.errorCode == Self.protocolError, "\(name): \(refusal)")
    }

    @Test(
        "What speaks another protocol is hung up on",
        arguments: ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"])
    func another(first: String) async throws {
        let peer = try await RawHTTP2(Self.service, first: first + String(repeating: "x", count: 100), settings: nil)
        #expect(try await peer.rest().allSatisfy { $0.type != .headers })
    }
}
