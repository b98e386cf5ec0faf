import NIOCore
import P2PCore
import Testing

@testable import P2PTunnels

@Suite("SOCKS, from the greeting to the request")
struct SOCKSSessionTests {
    /// What a session makes of bytes that come one by one.
    private func run(_ bytes: [UInt8]) -> (sent: [UInt8], request: SOCKSSession.Request?, isRefused: Bool, rest: Int) {
        var session = SOCKSSession()
        var input = ByteBuffer()
        var sent: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            input.writeInteger(byte)
            switch session.received(&input) {
            case .more: break
            case .reply(let reply): sent += reply.readableBytesView
            case .request(let request): return (sent, request, false, bytes.count - index - 1)
            case .refuse(let reply): return (sent + reply.readableBytesView, nil, true, bytes.count - index - 1)
            }
        }
        return (sent, nil, false, 0)
    }

    private static let greeting: [UInt8] = [5, 2, 2, 0]

    @Test("A name, an IPv4 and an IPv6 address are asked for")
    func connects() {
        let name = self.run(Self.greeting + [5, 1, 0, 3, 3] + Array("a.b".utf8) + [0, 80])
        #expect(name.sent == [5, 0] && name.request == .connect(host: "a.b", port: 80))
        #expect(self.run(Self.greeting + [5, 1, 0, 1, 10, 0, 0, 5, 0, 22]).request == .connect(host: "10.0.0.5", port: 22))
        let v6: [UInt8] = Array(repeating: 0, count: 15) + [1]
        #expect(self.run(Self.greeting + [5, 1, 0, 4] + v6 + [1, 187]).request == .connect(host: "::1", port: 443))
    }

    @Test("Datagrams may be asked for from no address at all")
    func associates() {
        #expect(self.run(Self.greeting + [5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).request == .associate)
    }

    @Test("Refusals, exactly")
    func refusals() {
        let nowhere: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0]
        #expect(self.run([4, 1]).isRefused)
        #expect(self.run([4, 1]).sent == [])
        #expect(self.run([5, 1, 2]).sent == [5, 0xff])
        #expect(self.run(Self.greeting + [5, 2, 0, 1, 10, 0, 0, 5, 0, 22]).sent == [5, 0, 5, 7] + nowhere)
        #expect(self.run(Self.greeting + [5, 1, 0, 9]).sent == [5, 0, 5, 8] + nowhere)
        #expect(self.run(Self.greeting + [5, 1, 0, 1, 10, 0, 0, 5, 0, 0]).sent == [5, 0, 5, 8] + nowhere)
        #expect(self.run(Self.greeting + [4]).sent == [5, 0, 5, 1] + nowhere)
        #expect(self.run(Self.greeting + [5, 1, 0, 3, 2, 0x0a, 0x0d]).sent == [5, 0, 5, 8] + nowhere)
    }

    @Test("Errors become replies")
    func replies() {
        let table: [(TunnelError.Code, UInt8)] = [
            (.denied, 2), (.unreachable, 4), (.unresolvable, 4), (.peerUnreachable, 4), (.refused, 5), (.timedOut, 6), (.unsupported, 7),
            (.busy, 1),
            (.failed, 1), (.badRequest, 1),
        ]
        for (code, reply) in table { #expect(SOCKSSession.Reply(TunnelError(code, "")).rawValue == reply) }
    }
}
