import NIOCore
import Testing

@testable import P2PSockets

/// TLS from the first byte, and later.
@Suite("TLS of plain sockets", .timeLimit(.minutes(2)))
struct SocketTLSTests {
    private static let trusted = SocketTLS(serverName: "peer.test", trust: .authorities(pem: TestCertificate.chain))

    private func options(_ tls: SocketTLS) -> TCPOptions {
        var options = TCPOptions()
        options.tls = tls
        return options
    }

    @Test("A server that is who it should be: bytes, half-close and end")
    func echo() async throws {
        let peer = try PythonPeer("tls_echo")
        try peer.tellCertificate()
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: self.options(Self.trusted))
        _ = try await socket.opened
        #expect(socket.usesTLS)
        let data = ByteBuffer.noise(500_000)
        async let writing: Void = {
            try await socket.write(data)
            try await socket.finishWriting()
        }()
        #expect(try await socket.hashToEnd() == data.sha256)
        try await writing
        #expect(try await peer.number("echoed") == 500_000)
        try await socket.closed
    }

    @Test("An address as the name of the server")
    func address() async throws {
        let peer = try PythonPeer("tls_echo")
        try peer.tellCertificate()
        let tls = SocketTLS(trust: .authorities(pem: TestCertificate.chain))
        _ = try await TCPSocket.connect("127.0.0.1", try await peer.port(), options: self.options(tls)).opened
    }

    @Test(
        "Who is not believed, or somebody else, is refused",
        arguments: [
            SocketTLS(serverName: "peer.test"), SocketTLS(serverName: "other.test", trust: .authorities(pem: TestCertificate.chain)),
        ])
    func refused(_ tls: SocketTLS) async throws {
        let peer = try PythonPeer("tls_echo")
        try peer.tellCertificate()
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: self.options(tls))
        await #expect(throws: SocketError(.tls, "")) { _ = try await socket.opened }
        await #expect(throws: SocketError(.tls, "")) { try await socket.closed }
    }

    @Test(
        "A name is one of the certificate's, or below a wildcard of it",
        arguments: [
            ("peer.test", "Peer.Test", true), ("peer.test.", "peer.test", true), ("a.peer.test", "*.peer.test", true),
            ("a.b.peer.test", "*.peer.test", false), ("peer.test", "*.test", false), ("peer.test", "*.peer.test", false),
            ("peer.test", "eer.test", false), ("xpeer.test", "peer.test", false),
        ])
    func names(_ name: String, _ shown: String, _ matches: Bool) { #expect(ServerName(name).matches(shown) == matches) }

    @Test("A listener with a certificate: connections come when their handshake is done, and who begins none holds nobody up")
    func serves() async throws {
        var options = TCPServerOptions()
        options.tls = SocketCertificate(chain: TestCertificate.chain, key: TestCertificate.key)
        let server = try TCPServerSocket.listen("127.0.0.1", options: options)
        let port = try await server.opened.localPort
        let silent = try TCPSocket.connect("127.0.0.1", port)
        _ = try await silent.opened
        let client = try PythonPeer("tls_dial", "\(port)")
        var connections = server.connections.makeAsyncIterator()
        let socket = try #require(try await connections.next())
        #expect(socket.usesTLS && socket.readyState == .open)
        #expect(try await socket.read() == ByteBuffer(string: "hello over tls\n"))
        try await socket.write(ByteBuffer(string: "welcome"))
        #expect(try await client.text("came") == "welcome")
        silent.closeImmediately()
    }

    @Test("STARTTLS, as of a mail server")
    func startTLS() async throws {
        let peer = try PythonPeer("starttls")
        try peer.tellCertificate()
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        #expect(try await socket.read() == ByteBuffer(string: "220 peer.test\r\n"))
        try await socket.write(ByteBuffer(string: "STARTTLS\r\n"))
        #expect(try await socket.read() == ByteBuffer(string: "220 go ahead\r\n"))
        #expect(!socket.usesTLS)
        try await socket.startTLS(Self.trusted)
        #expect(socket.usesTLS)
        try await socket.write(ByteBuffer(string: "EHLO me\r\n"))
        #expect(try await socket.read() == ByteBuffer(string: "EHLO me\r\n"))
        await #expect(throws: SocketError(.invalidState, "")) { try await socket.startTLS(Self.trusted) }
        try await socket.close()
    }

    @Test("What was said in the clear behind the answer is not taken for what is said within TLS")
    func injection() async throws {
        let peer = try PythonPeer("starttls", "250 forged\r\n")
        try peer.tellCertificate()
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        _ = try await socket.read()
        try await socket.write(ByteBuffer(string: "STARTTLS\r\n"))
        #expect(try await socket.read(upTo: 14) == ByteBuffer(string: "220 go ahead\r\n"))
        try await until { socket.core.readAheadBytes > 0 }
        await #expect(throws: SocketError(.invalidState, "")) { try await socket.startTLS(Self.trusted) }
        socket.closeImmediately()
    }

    @Test("A handshake that fails later ends the connection")
    func startTLSFails() async throws {
        let peer = try PythonPeer("starttls")
        try peer.tellCertificate()
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        _ = try await socket.read()
        try await socket.write(ByteBuffer(string: "STARTTLS\r\n"))
        _ = try await socket.read()
        await #expect(throws: SocketError(.tls, "")) { try await socket.startTLS(SocketTLS(serverName: "peer.test")) }
        await #expect(throws: SocketError(.tls, "")) { try await socket.closed }
    }

    @Test("What is no certificate is an argument that makes no sense")
    func arguments() {
        #expect(throws: SocketError(.invalidArgument, "")) {
            try TCPSocket.connect("127.0.0.1", 1, options: self.options(SocketTLS(trust: .authorities(pem: "none"))))
        }
        var options = TCPServerOptions()
        options.tls = SocketCertificate(chain: TestCertificate.chain, key: "none")
        #expect(throws: SocketError(.invalidArgument, "")) { try TCPServerSocket.listen("127.0.0.1", options: options) }
    }
}
