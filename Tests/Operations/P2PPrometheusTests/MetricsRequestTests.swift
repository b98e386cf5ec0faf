import NIOCore
import P2PHTTPHead
import Testing

@testable import P2PPrometheus

@Suite("Requests for metrics")
struct MetricsRequestTests {
    private static func answer(_ request: String, names: Set<String> = []) throws -> MetricsAnswer {
        var reader = HTTPHeadReader()
        var bytes = ByteBuffer(string: request)
        return .to(try #require(try reader.received(&bytes)), names: names)
    }

    private static func status(_ request: String, names: Set<String> = []) throws -> Int {
        switch try self.answer(request, names: names) {
        case .page: 200
        case .refusal(let status, _, _): status
        }
    }

    @Test("GET has a page, HEAD its head")
    func methods() throws {
        #expect(try Self.answer("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") == .page(withBody: true))
        #expect(try Self.answer("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") == .page(withBody: false))
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            #expect(try Self.status("\(method) /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") == 405)
        }
    }

    @Test(
        "Start lines",
        arguments: [
            ("GET /metrics HTTP/1.1", 200), ("GET /metrics?format=text HTTP/1.1", 200), ("GET /metrics HTTP/1.0", 200),
            ("GET / HTTP/1.1", 404),
            ("GET /metrics/ HTTP/1.1", 404), ("GET /metricsx HTTP/1.1", 404), ("GET http://localhost/metrics HTTP/1.1", 404),
            ("GET  /metrics HTTP/1.1", 400), ("GET /metrics", 400), ("GET /metrics HTTP/2.0", 400), ("GET /metrics HTTP/1.1 x", 400),
        ])
    func startLines(_ line: String, _ status: Int) throws {
        #expect(try Self.status("\(line)\r\nHost: localhost\r\n\r\n") == status)
    }

    @Test(
        "Hosts that no page in a browser can say of a name that leads here",
        arguments: [
            ("127.0.0.1", 200), ("127.0.0.1:9464", 200), ("localhost", 200), ("LocalHost:1", 200), ("[::1]", 200), ("[::1]:9464", 200),
            ("192.0.2.7:1", 200), ("metrics.example", 403), ("metrics.example:9464", 403), ("localhost.example", 403),
            ("127.0.0.1.example", 403),
            ("127.0.0.1:port", 403), ("127.1", 403), ("0x7f.0.0.1", 403), ("256.0.0.1", 403), ("[::1", 403), ("[example]", 403),
            ("::1", 403), ("", 403),
            ("127.0.0.1, evil", 403), ("user@127.0.0.1", 403),
        ])
    func hosts(_ host: String, _ status: Int) throws {
        #expect(try Self.status("GET /metrics HTTP/1.1\r\nHost: \(host)\r\n\r\n") == status)
    }

    @Test("A name that the operator gave is known, in any case and with a port")
    func names() throws {
        #expect(try Self.status("GET /metrics HTTP/1.1\r\nHost: Node.Example:9464\r\n\r\n", names: ["node.example"]) == 200)
        #expect(try Self.status("GET /metrics HTTP/1.1\r\nHost: other.example\r\n\r\n", names: ["node.example"]) == 403)
    }

    @Test("There is one host, or in HTTP/1.0 none")
    func hostFields() throws {
        #expect(try Self.status("GET /metrics HTTP/1.1\r\nAccept: x\r\n\r\n") == 400)
        #expect(try Self.status("GET /metrics HTTP/1.0\r\nAccept: x\r\n\r\n") == 200)
        #expect(try Self.status("GET /metrics HTTP/1.0\r\nHost: evil.example\r\n\r\n") == 403)
        #expect(try Self.status("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n") == 400)
    }
}
