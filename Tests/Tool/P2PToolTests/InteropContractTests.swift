import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PTool

@Suite("The official interoperability contract")
struct InteropContractTests {
    private static let old = [
        "transport": "tcp", "security": "noise", "muxer": "yamux", "is_dialer": "true", "ip": "127.0.0.1", "redis_addr": "127.0.0.1:7000",
        "test_timeout_seconds": "3",
    ]
    private static let new = [
        "TRANSPORT": "tcp", "SECURE_CHANNEL": "noise", "MUXER": "yamux", "IS_DIALER": "false", "REDIS_ADDR": "redis", "TEST_KEY": "a1b2",
    ]

    @Test("The old generation")
    func oldGeneration() throws {
        let contract = try InteropContract(environment: Self.old)
        #expect(contract.generation == .old)
        #expect(contract.isDialer)
        #expect(contract.key == "listenerAddr")
        #expect(contract.redis.description == "127.0.0.1:7000")
        #expect(contract.listenAddress.description == "/ip4/127.0.0.1/tcp/0")
        #expect(contract.timeout == .seconds(3))
        #expect(contract.security == .noise && contract.muxer == .yamux)
        let result = contract.result(handshakePlusOneRoundTrip: .microseconds(12_345), ping: .microseconds(678))
        #expect(result == #"{"handshakePlusOneRTTMillis": 12.345, "pingRTTMilllis": 0.678}"#)
    }

    @Test("The new generation")
    func newGeneration() throws {
        let contract = try InteropContract(environment: Self.new)
        #expect(contract.generation == .new)
        #expect(!contract.isDialer)
        #expect(contract.key == "a1b2_listener_multiaddr")
        #expect(contract.redis.description == "redis:6379")
        #expect(contract.listenAddress.description == "/ip4/0.0.0.0/tcp/0")
        #expect(contract.timeout == .seconds(60))
        let result = contract.result(handshakePlusOneRoundTrip: .milliseconds(2), ping: .milliseconds(1))
        #expect(result == "latency:\n  handshake_plus_one_rtt: 2.0\n  ping_rtt: 1.0\n  unit: ms")
    }

    @Test("Each transport's address", arguments: [("ws", "/ip4/127.0.0.1/tcp/0/ws"), ("quic-v1", "/ip4/127.0.0.1/udp/0/quic-v1")])
    func transports(name: String, address: String) throws {
        let contract = try InteropContract(environment: Self.old.merging(["transport": name]) { _, new in new })
        #expect(contract.listenAddress.description == address)
    }

    @Test(
        "What is not spoken, or makes no sense, is refused with its reason",
        arguments: [
            (["transport": "webrtc-direct"], "unsupported"), (["security": "rot13"], "unsupported"), (["muxer": "spdy"], "unsupported"),
            (["is_dialer": ""], "environment"), (["redis_addr": "redis:99999"], "environment"),
            (["test_timeout_seconds": "-1"], "environment"),
            (["test_timeout_seconds": "inf"], "environment"),
        ])
    func refuses(changes: [String: String], code: String) {
        let environment = Self.old.merging(changes) { _, new in new }
        let error = #expect(throws: ToolError.self) { _ = try InteropContract(environment: environment) }
        #expect(error?.code == code)
    }

    @Test("Answers of redis, whole and in single bytes")
    func answers() throws {
        let text = "+OK\r\n-ERR no\r\n:42\r\n$-1\r\n$5\r\nhe\r\nl\r\n"
        let expected: [RESPValue] = [.text("OK"), .error("ERR no"), .integer(42), .bulk(nil), .bulk("he\r\nl")]
        var values: [RESPValue] = []
        var buffer = ByteBuffer(string: text)
        while let value = try RESPValue.read(from: &buffer) { values.append(value) }
        #expect(values == expected)
        values = []
        buffer = ByteBuffer()
        for byte in text.utf8 {
            buffer.writeInteger(byte)
            while let value = try RESPValue.read(from: &buffer) { values.append(value) }
        }
        #expect(values == expected)
    }

    @Test(
        "Answers that are none, or too long, are refused",
        arguments: [
            "?\r\n", "OK\n", "\n", ":x\r\n", "$99999999\r\n", "$-2\r\n", "$1\r\nabc", "*1\r\n", String(repeating: "+", count: 70_000),
        ])
    func hostileAnswers(text: String) {
        #expect(throws: ToolError.self) {
            var buffer = ByteBuffer(string: text)
            _ = try RESPValue.read(from: &buffer)
        }
    }

    @Test("A command is an array of strings")
    func commands() {
        #expect(String(buffer: RESPValue.encode(["RPUSH", "k", "é"])) == "*3\r\n$5\r\nRPUSH\r\n$1\r\nk\r\n$2\r\né\r\n")
    }
}
