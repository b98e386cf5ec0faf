import HTTPTypes
import NIOCore
import P2PHTTPHead
import Testing

@testable import P2PHTTP

@Suite("HTTP on the wire, read strictly")
struct HTTPWireTests {
    private func head(_ text: String) throws -> HTTPHead {
        var reader = HTTPHeadReader(maximumLength: 32 * 1_024)
        var input = ByteBuffer(string: text)
        return try #require(try reader.received(&input))
    }

    private func framing(_ fields: String, version: String = "1.1") throws -> HTTPFraming {
        try HTTPRequestHead(self.head("POST / HTTP/\(version)\r\nhost: a\r\n\(fields)\r\n")).framing
    }

    @Test("Where a body ends")
    func framings() throws {
        #expect(try self.framing("") == .none)
        #expect(try self.framing("Content-Length: 5\r\n") == .length(5))
        #expect(try self.framing("content-length: 5\r\ncontent-length: 5\r\n") == .length(5))
        #expect(try self.framing("Transfer-Encoding: Chunked\r\n") == .chunked)
    }

    @Test(
        "What might be read in two ways is refused",
        arguments: [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n", "Content-Length: \r\n", "Content-Length: 0x5\r\n", "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, identity\r\n", "Host: b\r\n", "Transfer-Encoding : chunked\r\n",
            " folded\r\n", "Content-Length: 5\n", "A: b\rc\r\n", "A: \u{0}\r\n",
        ])
    func smuggling(fields: String) {
        #expect(throws: (any Error).self) { try self.framing(fields) }
    }

    @Test("HTTP/1.0 has no chunks, and other versions are not spoken")
    func versions() throws {
        #expect(throws: HTTPRefusal.self) { try self.framing("Transfer-Encoding: chunked\r\n", version: "1.0") }
        #expect(throws: HTTPRefusal(505, "only HTTP/1.1 is spoken here")) { try self.framing("", version: "2.0") }
    }

    @Test(
        "Request lines that are none",
        arguments: [
            "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 x", "GET http://a/ HTTP/1.1", "G(T / HTTP/1.1", "GET * HTTP/1.1", "GET / http/1.1",
        ])
    func requestLines(line: String) {
        #expect(throws: HTTPRefusal.self) { try HTTPRequestHead(self.head("\(line)\r\nhost: a\r\n\r\n")) }
    }

    private func body(_ framing: HTTPFraming, _ text: String, by size: Int) throws -> (body: String, rest: String, isDone: Bool) {
        var reader = HTTPBodyReader(framing)
        var all = ByteBuffer(string: text)
        var (input, body) = (ByteBuffer(), ByteBuffer())
        reading: while true {
            switch try reader.next(&input) {
            case .bytes(let bytes): body.writeImmutableBuffer(bytes)
            case .end: break reading
            case .more:
                guard let piece = all.readSlice(length: min(size, all.readableBytes)), piece.readableBytes > 0 else { break reading }
                input = piece
            }
        }
        return (String(buffer: body), String(buffer: input) + String(buffer: all), reader.isDone)
    }

    @Test("Bodies come out whole, and nothing behind them is taken", arguments: [1, 2, 5, 1_000])
    func bodies(size: Int) throws {
        #expect(try self.body(.length(5), "helloGET", by: size) == ("hello", "GET", true))
        #expect(try self.body(.length(5), "hel", by: size) == ("hel", "", false))
        let chunked = "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET"
        #expect(try self.body(.chunked, chunked, by: size) == ("abc0123456789", "GET", true))
        #expect(try self.body(.untilEnd, "anything", by: size) == ("anything", "", false))
        #expect(try self.body(.none, "GET", by: size).body == "")
    }

    @Test(
        "Chunks that are none",
        arguments: [
            "\r\n", "x\r\n", "-1\r\nab", "1\nab", "1\r\nab\r\n", "1 1\r\na\r\n", "0x1\r\na\r\n", "FFFFFFFFFFFFFFFFF\r\n", "1\rX\n",
            "+1\r\na\r\n",
        ])
    func chunks(text: String) {
        #expect(throws: HTTPRefusal.self) { try self.body(.chunked, text, by: 1_000) }
    }

    @Test("A chunk's line and a trailer section have bounds")
    func bombs() {
        #expect(throws: HTTPRefusal.self) { try self.body(.chunked, "1;" + String(repeating: "x", count: 300) + "\r\na\r\n", by: 64) }
        let trailers = String(repeating: "a: " + String(repeating: "b", count: 100) + "\r\n", count: 200)
        #expect(throws: HTTPRefusal(431, "the trailers of a body are too long")) { try self.body(.chunked, "0\r\n" + trailers, by: 64) }
    }
}
