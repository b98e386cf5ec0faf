import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline
import Testing

@testable import P2PTLS

/// Reading a dialer's offers out of its first message.
@Suite struct ClientHelloReaderTests {
    /// A real first message of ours, as one record.
    private static func hello(muxers: [ProtocolID]) async throws -> [UInt8] {
        let security = try await TLSSecurity.make(identity: try PrivateKey.generate(.ed25519))
        return Wire.outbound(of: try Wire(security, role: .dialer, muxers: muxers).ours)
    }

    private func read(_ bytes: [UInt8]) -> ClientHelloReader.Progress {
        var reader = ClientHelloReader()
        return reader.read(ByteBuffer(bytes: bytes).readableBytesView)
    }

    private func names(_ texts: [String]) -> ClientHelloReader.Progress { .offers(texts.map { Array($0.utf8) }) }

    @Test("Offers are read in the dialer's order, libp2p last")
    func order() async throws {
        let hello = try await Self.hello(muxers: ["/yamux/1.0.0", "/mplex/6.7.0"])
        #expect(self.read(hello) == self.names(["/yamux/1.0.0", "/mplex/6.7.0", "libp2p"]))
        // What follows the message is none of the reader's business.
        #expect(self.read(hello + [23, 3, 3, 0, 0]) == self.names(["/yamux/1.0.0", "/mplex/6.7.0", "libp2p"]))
    }

    @Test("AES-128-GCM is what a dialer of ours prefers, where the machine has instructions for it")
    func cipherSuite() async throws {
        let hello = try await Self.hello(muxers: [])
        let suites = 5 + 4 + 2 + 32 + 1 + Int(hello[5 + 4 + 2 + 32])
        let first = Array(hello[suites + 2..<suites + 4])
        // TLS_AES_128_GCM_SHA256, else TLS_CHACHA20_POLY1305_SHA256.
        #expect(first == [0x13, 0x01] || first == [0x13, 0x03])
    }

    @Test("A message in pieces, cut into records anywhere, is read the same")
    func pieces() async throws {
        let hello = try await Self.hello(muxers: ["/yamux/1.0.0"])
        let message = hello.dropFirst(5)
        for size in [1, 2, 3, 4, 5, 100, message.count - 1] {
            var wire: [UInt8] = []
            var rest = message
            while !rest.isEmpty {
                let piece = rest.prefix(size)
                wire += [22, 3, 1, UInt8(piece.count >> 8), UInt8(piece.count & 0xff)] + piece
                rest = rest.dropFirst(size)
            }
            var reader = ClientHelloReader()
            var buffer = ByteBuffer()
            for (index, byte) in wire.enumerated() {
                buffer.writeInteger(byte)
                let progress = reader.read(buffer.readableBytesView)
                #expect(progress == (index == wire.count - 1 ? self.names(["/yamux/1.0.0", "libp2p"]) : .more))
                if progress != .more { break }
            }
        }
    }

    @Test("Without the extension nothing is offered")
    func noExtension() throws {
        let bare: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0]
        #expect(self.read(Self.record(bare)) == .offers([]))
        #expect(self.read(Self.record(bare + [0, 0])) == .offers([]))
        #expect(self.read(Self.record(bare + [0, 4, 0, 1, 0, 0])) == .offers([]))
    }

    @Test("A list that is empty, holds an empty name, or is longer or shorter than it says, is unreadable or offers nothing")
    func lists() {
        func list(_ body: [UInt8]) -> ClientHelloReader.Progress { self.read(Self.hello(applicationProtocols: body)) }
        #expect(list([0, 0]) == .offers([]))
        #expect(list([]) == .unreadable)
        #expect(list([0, 1, 0]) == .unreadable)
        #expect(list([0, 2, 2, 65]) == .unreadable)
        #expect(list([0, 9, 1, 65]) == .unreadable)
        #expect(list([0, 2, 1, 65, 66]) == .unreadable)
        #expect(list([0, 2, 1, 65]) == .offers([[65]]))
        #expect(list([0, 2, 1, 0xff]) == .offers([[0xff]]))
    }

    @Test("A list of thousands of names is read, and the wanted one among them is found")
    func longList() {
        let names = [UInt8](repeating: 0, count: 7_000).enumerated().map { [1, UInt8($0.offset & 0x7f) | 1] as [UInt8] }.joined()
        let all = Array(names) + [6] + Array("libp2p".utf8)
        let body = [UInt8(all.count >> 8), UInt8(all.count & 0xff)] + all
        guard case .offers(let offers) = self.read(Self.hello(applicationProtocols: body)) else {
            Issue.record("the list was not read")
            return
        }
        #expect(offers.count == 7_001)
        #expect(ApplicationProtocols.choice(from: offers, muxers: ["/yamux/1.0.0"]) == "libp2p")
    }

    @Test("Whatever is not the beginning of TLS is unreadable at once")
    func foreign() {
        #expect(self.read(Array("GET / HTTP/1.1\r\n".utf8)) == .unreadable)
        #expect(self.read([21]) == .unreadable)
        #expect(self.read([22, 3, 1, 0, 0]) == .unreadable)
        #expect(self.read([22, 3, 1, 0x40, 1]) == .unreadable)
        #expect(self.read([22, 3, 1, 0, 4, 2, 0, 0, 0]) == .unreadable)
        #expect(self.read([]) == .more)
        #expect(self.read([22]) == .more)
        #expect(self.read([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]) == .more)
    }

    @Test("No damage to a message does more than make it unreadable, or offer something else")
    func damage() async throws {
        let hello = try await Self.hello(muxers: ["/yamux/1.0.0"])
        for index in hello.indices {
            for bit in 0..<8 {
                var damaged = hello
                damaged[index] ^= 1 << UInt8(bit)
                _ = self.read(damaged)
            }
            #expect(self.read(Array(hello.prefix(index))) == .more)
        }
    }

    @Test("A name that is ours only in part, or longer than a name may be, is not chosen")
    func choice() {
        func choice(_ offers: [String]) -> String? {
            ApplicationProtocols.choice(
                from: offers.map { Array($0.utf8) }, muxers: ["/yamux/1.0.0", ProtocolID("/" + String(repeating: "x", count: 300))])
        }
        #expect(choice(["/yamux/1.0.0\0", "/yamux/1.0"]) == nil)
        #expect(choice(["/yamux/1.0.0\n", "libp2p"]) == "libp2p")
        #expect(choice(["LIBP2P"]) == nil)
        #expect(choice(["libp2p", "libp2p", "/yamux/1.0.0"]) == "/yamux/1.0.0")
    }

    private static func record(_ hello: [UInt8]) -> [UInt8] {
        let message = [1, 0, UInt8(hello.count >> 8), UInt8(hello.count & 0xff)] + hello
        return [22, 3, 1, UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message
    }

    private static func hello(applicationProtocols body: [UInt8]) -> [UInt8] {
        let found = [0, 16, UInt8(body.count >> 8), UInt8(body.count & 0xff)] + body
        let head: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0]
        return Self.record(head + [UInt8(found.count >> 8), UInt8(found.count & 0xff)] + found)
    }
}
