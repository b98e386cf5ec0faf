import HTTPTypes
import NIOHPACK
import P2PCore
import P2PHTTP
import Testing

@testable import P2PHTTP2

@Suite("Heads of HTTP/2")
struct HTTP2HeadTests {
    private func request(_ fields: [(String, String)]) throws -> HTTPRequest {
        try HTTP2Head.request(HPACKHeaders([(":method", "GET"), (":scheme", "http"), (":path", "/")] + fields))
    }

    @Test("Cookies that come apart are one field, in their order")
    func cookies() throws {
        let read = try self.request([("cookie", "a=b"), ("accept", "x"), ("cookie", "c=d; e=f"), ("cookie", "g=h")])
        #expect(read.headerFields[values: .cookie] == ["a=b; c=d; e=f; g=h"])
        #expect(read.headerFields[.accept] == "x")
        #expect(try self.request([("accept", "x")]).headerFields[.cookie] == nil)
    }

    @Test("The host is the authority where there is none, and two of them are none")
    func host() throws {
        #expect(try self.request([("host", "a")]).authority == "a")
        #expect(try self.request([(":authority", "b"), ("host", "a")]).authority == "b")
        #expect(try self.request([]).authority == nil)
        #expect(throws: HTTPError(.malformed, "")) { try self.request([("host", "a"), ("host", "b")]) }
    }
}
