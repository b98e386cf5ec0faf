import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Testing

@testable import P2PTCP

@Suite("The PROXY protocol", .timeLimit(.minutes(1)))
struct ProxyHeaderTests {
    private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

    /// A header of version 2.
    static func binary(command: UInt8 = 0x21, kind: UInt8 = 0x11, _ block: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? block.count
        return Self.signature + [command, kind, UInt8(length >> 8), UInt8(length & 0xff)] + block
    }

    private static let four: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x0f, 0xa1]
    private static let six: [UInt8] =
        [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [9] + [UInt8](repeating: 1, count: 16) + [0, 80, 0, 81]

    private func client(_ ip: String, _ port: UInt16) throws -> ProxyHeader { .client(try #require(IPAddress(ip)), port: port) }

    @Test("Headers of both versions name the client, and end where they end")
    func clients() throws {
        let cases: [([UInt8], ProxyHeader)] = [
            (Array("PROXY TCP4 192.0.2.7 10.0.0.1 54321 4001\r\n".utf8), try self.client("192.0.2.7", 54_321)),
            (Array("PROXY TCP6 2001:db8::9 ::1 80 0\r\n".utf8), try self.client("2001:db8::9", 80)),
            (Array("PROXY TCP6 ::ffff:192.0.2.7 ::1 80 81\r\n".utf8), try self.client("192.0.2.7", 80)),
            (Array("PROXY UNKNOWN\r\n".utf8), .local),
            (Array("PROXY UNKNOWN ffff::1 whatever 1\r\n".utf8), .local),
            (Self.binary(Self.four), try self.client("192.0.2.7", 54_321)),
            (Self.binary(kind: 0x21, Self.six), try self.client("2001:db8::9", 80)),
            (Self.binary(Self.four + [4, 0, 3, 1, 2, 3, 0xea, 0, 0]), try self.client("192.0.2.7", 54_321)),
            (Self.binary(command: 0x20, kind: 0, []), .local),
            (Self.binary(command: 0x20, kind: 0x77, [1, 2, 3]), .local),
            (Self.binary(kind: 0, [1, 2, 3]), .local),
            (Self.binary(kind: 0x31, [UInt8](repeating: 0x61, count: 216)), .local),
        ]
        for (bytes, expected) in cases {
            let rest: [UInt8] = [0x13, 0x2f, 0x6d]
            #expect(try ProxyHeader.read(ByteBuffer(bytes: bytes + rest)) == .header(expected, length: bytes.count))
            for length in 0..<bytes.count {
                #expect(try ProxyHeader.read(ByteBuffer(bytes: bytes.prefix(length))) == .more, "\(length) bytes of \(bytes)")
            }
        }
    }

    @Test(
        "What is no header is left alone",
        arguments: ["\u{13}/multistream/1.0.0\n", "GET / HTTP/1.1\r\n", "P", "PROXIES", "proxy TCP4", "\r\n\r\nx", "\u{16}\u{3}\u{1}"])
    func nothing(text: String) throws {
        let bytes = ByteBuffer(string: text)
        #expect(try ProxyHeader.read(bytes) == (text == "P" ? .more : .none))
    }

    @Test(
        "A line that breaks the grammar is an error",
        arguments: [
            "PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 0.0.0.0 1.2.3.4 1 2\r\n",
            "PROXY TCP4 224.0.0.1 1.2.3.4 1 2\r\n", "PROXY \n", "PROXY UNKNOWN" + String(repeating: "x", count: 200),
            "PROXY UNKNOWN" + String(repeating: "x", count: 93) + "\r\n",
        ])
    func malformedLine(text: String) {
        let error = #expect(throws: ProxyHeaderError.self) { try ProxyHeader.read(ByteBuffer(string: text)) }
        #expect(error?.code == .malformed)
    }

    @Test(
        "So is a block that does",
        arguments: [
            binary(command: 0x11, four), binary(command: 0x31, four), binary(command: 0x22, four), binary(kind: 0x12, four),
            binary(kind: 0x13, four), binary(kind: 0x41, four), binary(kind: 0x21, four), binary(Array(four.dropLast())),
            binary(four + [4]), binary(four + [4, 0]), binary(four + [4, 0, 2, 1]), binary(kind: 0x31, four), binary(four, length: 4_081),
            binary([0, 0, 0, 0] + four.dropFirst(4)), binary([255, 255, 255, 255] + four.dropFirst(4), length: 65_535),
        ])
    func malformedBlock(bytes: [UInt8]) {
        let error = #expect(throws: ProxyHeaderError.self) { try ProxyHeader.read(ByteBuffer(bytes: bytes)) }
        #expect(error?.code == .malformed)
    }

    // MARK: The listener

    private struct Arrived {
        let remote: Multiaddr
        let text: String
    }

    /// What a listener that believes `proxies` makes of a connection from loopback that sends `text`, in pieces.
    private func arrival(_ pieces: [String], believing proxies: [IPNetwork], reads count: Int) async throws -> Arrived? {
        let listener = try await TCPTransport(proxies: proxies).bind(to: "/ip4/127.0.0.1/tcp/0")
        let port = try #require(listener.addresses.first?.tcpEndpoint?.port)
        let arrivals = Inbox<ByteChannel, Never>(limit: 1)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await listener.run { bytes in
                    _ = arrivals.offer(bytes)
                    try? await bytes.channel.closeFuture.get()
                }
            }
            let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: Int(port))
                .get()
            // Whether it comes to an arrival or to an end.
            client.closeFuture.whenComplete { _ in arrivals.finish(.success(())) }
            for piece in pieces { try await client.writeAndFlush(ByteBuffer(string: piece)) }
            guard let bytes = await arrivals.next() else {
                group.cancelAll()
                return nil
            }
            let promise = bytes.channel.eventLoop.makePromise(of: String.self)
            try await bytes.channel.eventLoop.submit {
                try bytes.channel.pipeline.syncOperations.addHandler(Collector(count, promise))
                try bytes.channel.syncOptions?.setOption(.autoRead, value: true)
                // What waits behind the header is handed on when somebody behind it reads.
                bytes.channel.read()
            }.get()
            let text = try await promise.futureResult.get()
            try await bytes.channel.close()
            group.cancelAll()
            return Arrived(remote: bytes.remoteAddress, text: text)
        }
    }

    /// Gathers so many bytes.
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let count: Int
        private let promise: EventLoopPromise<String>
        private var text = ""

        init(_ count: Int, _ promise: EventLoopPromise<String>) {
            self.count = count
            self.promise = promise
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.text += String(buffer: self.unwrapInboundIn(data))
            if self.text.utf8.count >= self.count { self.promise.succeed(self.text) }
        }

        func channelInactive(context: ChannelHandlerContext) { self.promise.succeed(self.text) }
    }

    @Test("A proxy that is believed names the client, and not a byte behind the header is lost")
    func believed() async throws {
        let proxies = [IPNetwork(.loopbackV4)]
        let header = "PROXY TCP4 192.0.2.7 10.0.0.1 54321 4001\r\n"
        for pieces in [[header + "hello"], [header, "hello"], header.map { String($0) } + ["he", "llo"]] {
            let arrived = try await self.arrival(pieces, believing: proxies, reads: 5)
            #expect(arrived?.remote == "/ip4/192.0.2.7/tcp/54321")
            #expect(arrived?.text == "hello")
        }
    }

    @Test("It may say nothing of the kind: then it counts itself")
    func noHeader() async throws {
        let arrived = try await self.arrival(["hello"], believing: [IPNetwork(.loopbackV4)], reads: 5)
        #expect(arrived?.remote.isLoopback == true)
        #expect(arrived?.text == "hello")
        let local = try await self.arrival(["PROXY UNKNOWN\r\nhello"], believing: [IPNetwork(.loopbackV4)], reads: 5)
        #expect(local?.remote.isLoopback == true && local?.text == "hello")
    }

    @Test("What a stranger sends of the kind is the bytes of a stranger")
    func stranger() async throws {
        let text = "PROXY TCP4 192.0.2.7 10.0.0.1 54321 4001\r\n"
        let arrived = try await self.arrival([text], believing: [try #require(IPNetwork("10.0.0.0/8"))], reads: text.utf8.count)
        #expect(arrived?.remote.isLoopback == true)
        #expect(arrived?.text == text)
    }

    @Test("A header that is malformed ends the connection before anybody hears of it")
    func malformed() async throws {
        let arrived = try await self.arrival(["PROXY TCP4 nobody\r\n"], believing: [IPNetwork(.loopbackV4)], reads: 1)
        #expect(arrived == nil)
    }
}
