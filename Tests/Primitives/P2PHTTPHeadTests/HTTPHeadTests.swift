import NIOCore
import Testing

@testable import P2PHTTPHead

@Suite("Heads of HTTP messages")
struct HTTPHeadTests {
    private static let request = "GET /chat HTTP/1.1\r\nHost: example.com\r\nX-List: a,\t B , c\r\nx-list:d\r\n\r\n"

    /// The head, and what is left unread behind it.
    private func head(_ text: String, step: Int = .max) throws -> (head: HTTPHead?, rest: String) {
        var (reader, rest) = (HTTPHeadReader(), ByteBuffer(string: text))
        while var piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
            if let head = try reader.received(&piece) { return (head, String(buffer: piece) + String(buffer: rest)) }
        }
        return (nil, "")
    }

    @Test("A head is its start line and its fields, and what stands behind it stays unread", arguments: [Int.max, 1])
    func reads(step: Int) throws {
        let (head, rest) = try self.head(Self.request + "abc", step: step)
        #expect(rest == "abc")
        #expect(head?.startLine == "GET /chat HTTP/1.1")
        #expect(head?.fields.map(\.name) == ["host", "x-list", "x-list"])
        #expect(head?.values("x-list") == ["a,\t B , c", "d"])
        #expect(try self.head(String(Self.request.dropLast()), step: step).head == nil)
    }

    @Test("A field that must stand there once does not count when it stands there twice")
    func single() throws {
        let head = try #require(try self.head(Self.request).head)
        #expect(head.single("host") == "example.com")
        #expect(head.single("x-list") == nil)
        #expect(head.single("none") == nil)
    }

    @Test("Lists are read over all fields of a name, in any case")
    func lists() throws {
        let head = try #require(try self.head(Self.request).head)
        for token in ["a", "b", "c", "d"] { #expect(head.list("x-list", has: token)) }
        for token in ["a, b", "", "e"] { #expect(!head.list("x-list", has: token)) }
    }

    @Test(
        "A status is three digits behind HTTP/1.x",
        arguments: [
            ("HTTP/1.1 101 Switching", 101), ("HTTP/1.0 200 ", 200), ("HTTP/1.1 404", 404), ("HTTP/2 200 OK", nil), ("HTTP/1.1 20 OK", nil),
            ("HTTP/1.1 +20 OK", nil), ("HTTP/1.1  200", nil), ("ICY 200 OK", nil), ("HTTP/1.1", nil),
        ] as [(String, UInt16?)])
    func status(line: String, status: UInt16?) throws {
        #expect(try self.head(line + "\r\n\r\n").head?.status == status)
    }

    @Test(
        "Heads that break the grammar are refused where they break it",
        arguments: [
            "\u{13}/multistream/1.0.0\n", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\rX", "\r\n", "G\0",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nName : x\r\n\r\n", "GET / HTTP/1.1\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\n: x\r\n\r\n",
            "GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: HTTPHeadReader.maximumFields + 1) + "\r\n",
            "GET /" + String(repeating: "a", count: HTTPHeadReader.maximumLength),
        ])
    func malformed(text: String) {
        for step in [Int.max, 1] {
            #expect(throws: HTTPHeadError.self) { try self.head(text, step: step) }
        }
    }

    @Test("As many fields and bytes as the limits allow are read")
    func limits() throws {
        let fields = String(repeating: "A: b\r\n", count: HTTPHeadReader.maximumFields)
        #expect(try self.head("GET / HTTP/1.1\r\n" + fields + "\r\n").head?.fields.count == HTTPHeadReader.maximumFields)
        let line = "GET /" + String(repeating: "a", count: HTTPHeadReader.maximumLength - 9)
        #expect(try self.head(line + "\r\n\r\n").head?.startLine == line)
        #expect(throws: HTTPHeadError.self) { try self.head(line + "a\r\n\r\n") }
    }

    @Test("Interim responses before the final one are passed over, so many and no more", arguments: [Int.max, 1])
    func interim(step: Int) throws {
        func head(_ text: String) throws -> (String?, String) {
            var (reader, rest) = (HTTPResponseReader(), ByteBuffer(string: text))
            while var piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
                if let head = try reader.received(&piece) { return (head.startLine, String(buffer: piece) + String(buffer: rest)) }
            }
            return (nil, "")
        }
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        for final in ["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 200 OK", "HTTP/1.1 404 x", "HTTP/1.1 +99 x", "SSH-2.0-x"] {
            for count in 0...HTTPResponseReader.maximumInterim {
                let read = try head(String(repeating: hint, count: count) + final + "\r\n\r\nabc")
                #expect(read == (final, "abc"))
            }
        }
        #expect(try head(hint) == (nil, ""))
        #expect(throws: HTTPHeadError.self) { try head(String(repeating: hint, count: HTTPResponseReader.maximumInterim + 1)) }
    }

    @Test("Numbers are digits")
    func numbers() {
        #expect(HTTPHead.number("0") == 0)
        #expect(HTTPHead.number("0042") == 42)
        for text in ["", "+5", "-5", "5 ", "0x5", "5,5", "٣", "99999999999999999999"] { #expect(HTTPHead.number(text) == nil) }
    }

    @Test("What a peer chose is printable and short in a message")
    func excerpts() {
        #expect(HTTPHead.excerpt("a\u{1b}[31m é\n") == "a?[31m ??")
        #expect(HTTPHead.excerpt(String(repeating: "x", count: 100)).count == 80)
    }
}
