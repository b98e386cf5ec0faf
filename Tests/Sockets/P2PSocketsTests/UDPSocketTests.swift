import NIOCore
import Testing

@testable import P2PSockets

/// Each row of what a UDP socket promises, with another program at the other end.
@Suite("UDP sockets", .timeLimit(.minutes(2)))
struct UDPSocketTests {
    @Test(
        "Connected: datagrams keep their bounds, empty and the longest among them, and carry no address", arguments: ["127.0.0.1", "::1"])
    func connected(_ host: String) async throws {
        let peer = try PythonPeer("udp_echo", host)
        let socket = try UDPSocket.connect(host, try await peer.port())
        let endpoints = try await socket.opened
        #expect(endpoints.remoteAddress == host && socket.localPort == endpoints.localPort && endpoints.localPort > 0)
        for size in [1, 0, 1_200, SocketLimits.longestMessage, 3] {
            let data = ByteBuffer.noise(size)
            try await socket.send(UDPMessage(data))
            #expect(try await peer.number("size") == size)
            #expect(try await socket.receive() == UDPMessage(data))
        }
        socket.close()
        try await socket.closed
    }

    @Test("Bound: messages come with their sender, and go to whom they name")
    func bound() async throws {
        let socket = try UDPSocket.bind("127.0.0.1")
        let port = try await socket.opened.localPort
        #expect(socket.localAddress == "127.0.0.1" && port > 0)
        let peer = try PythonPeer("udp_send", "\(port)", "1")
        let message = try await socket.receive()
        #expect(message.data == ByteBuffer(string: "0") && message.remoteAddress == "127.0.0.1")
        try await socket.send(UDPMessage(ByteBuffer(string: "back"), remoteAddress: message.remoteAddress, remotePort: message.remotePort))
        _ = try await peer.line()
        #expect(try await peer.text("came") == "back")
    }

    @Test("Too long, or with an address where none belongs, or without one where one does: nothing is sent")
    func refusals() async throws {
        let long = ByteBuffer(repeating: 0, count: SocketLimits.longestMessage + 1)
        let bound = try UDPSocket.bind("127.0.0.1")
        let port = try await bound.opened.localPort
        let connected = try UDPSocket.connect("127.0.0.1", port)
        await #expect(throws: SocketError(.messageTooLong, "")) { try await connected.send(UDPMessage(long)) }
        let addressed = UDPMessage(ByteBuffer(string: "x"), remoteAddress: "127.0.0.1", remotePort: port)
        await #expect(throws: SocketError(.invalidArgument, "")) { try await connected.send(addressed) }
        await #expect(throws: SocketError(.invalidArgument, "")) { try await bound.send(UDPMessage(ByteBuffer(string: "x"))) }
        let named = UDPMessage(ByteBuffer(string: "x"), remoteAddress: "localhost", remotePort: port)
        await #expect(throws: SocketError(.invalidArgument, "")) { try await bound.send(named) }
        await #expect(throws: SocketError(.invalidState, "")) { try await connected.join("239.1.2.3") }
    }

    @Test("Connected or bound, never both and never neither")
    func arguments() {
        let invalid = SocketError(.invalidArgument, "")
        var both = UDPOptions()
        (both.remoteAddress, both.remotePort, both.localAddress) = ("127.0.0.1", 53, "127.0.0.1")
        #expect(throws: invalid) { try UDPSocket.open(both) }
        #expect(throws: invalid) { try UDPSocket.open(UDPOptions()) }
        #expect(throws: invalid) { try UDPSocket.connect("127.0.0.1", 0) }
        #expect(throws: invalid) { try UDPSocket.bind("localhost") }
        #expect(throws: invalid) { try UDPSocket.bind("127.0.0.1", 0) }
        var half = UDPOptions()
        half.remoteAddress = "127.0.0.1"
        #expect(throws: invalid) { try UDPSocket.open(half) }
        var group = UDPOptions()
        group.groups = ["10.0.0.1"]
        #expect(throws: invalid) { try UDPSocket.bind("0.0.0.0", options: group) }
        group.groups = ["239.1.2.3"]
        #expect(throws: invalid) { try UDPSocket.connect("127.0.0.1", 53, options: group) }
    }

    @Test("A port in use, unless it is shared")
    func inUse() async throws {
        let first = try UDPSocket.bind("127.0.0.1")
        let port = try await first.opened.localPort
        let second = try UDPSocket.bind("127.0.0.1", port)
        await #expect(throws: SocketError(.addressInUse, "")) { _ = try await second.opened }
        await #expect(throws: SocketError(.addressInUse, "")) { try await second.closed }
        await #expect(throws: SocketError(.addressInUse, "")) { _ = try await second.receive() }
        var options = UDPOptions()
        options.allowsSharing = true
        let third = try UDPSocket.bind("127.0.0.1", options: options)
        let shared = try await third.opened.localPort
        #expect(try await UDPSocket.bind("127.0.0.1", shared, options: options).opened.localPort == shared)
    }

    @Test("What nobody receives waits, bounded: the oldest make room, and are counted")
    func bounded() async throws {
        var options = UDPOptions()
        options.receiveBufferSize = 1 << 20
        let socket = try UDPSocket.bind("127.0.0.1", options: options)
        let port = try await socket.opened.localPort
        let peer = try PythonPeer("udp_send", "\(port)", "100")
        _ = try await peer.line()
        try await until { socket.droppedMessages >= 100 - SocketLimits.waitingMessages }
        for number in (100 - SocketLimits.waitingMessages)..<100 {
            let message = try await socket.receive()
            #expect(String(buffer: message.data) == "\(number)")
        }
        #expect(socket.droppedMessages == 100 - SocketLimits.waitingMessages)
    }

    @Test("Nobody has the port there: it is heard once, and the socket lives on")
    func portUnreachable() async throws {
        let gone = try UDPSocket.bind("127.0.0.1")
        let port = try await gone.opened.localPort
        gone.close()
        try await gone.closed
        let socket = try UDPSocket.connect("127.0.0.1", port)
        try await socket.send(UDPMessage(ByteBuffer(string: "anybody?")))
        await #expect(throws: SocketError(.refused, "")) { _ = try await socket.receive() }
        #expect(socket.readyState == .open)
        let peer = try UDPSocket.bind("127.0.0.1", port)
        _ = try await peer.opened
        try await socket.send(UDPMessage(ByteBuffer(string: "now")))
        #expect(try await peer.receive().data == ByteBuffer(string: "now"))
    }

    @Test("A second receiver is told that there is one; closing wakes the first")
    func receivers() async throws {
        let socket = try UDPSocket.bind("127.0.0.1")
        _ = try await socket.opened
        let first = Task { try await socket.receive() }
        while true {
            let second = Task { try await socket.receive() }
            second.cancel()
            do { _ = try await second.value } catch let error as SocketError where error.code == .alreadyReading { break } catch {}
            try await Task.sleep(for: .milliseconds(2))
        }
        socket.close()
        await #expect(throws: SocketError(.closed, "")) { _ = try await first.value }
        await #expect(throws: SocketError(.closed, "")) { try await socket.send(UDPMessage(ByteBuffer(string: "late"))) }
        #expect(socket.readyState >= .closing)
    }

    @Test("Groups are joined by an option, or later, and left")
    func groups() async throws {
        var options = UDPOptions()
        options.groups = ["239.77.1.1"]
        options.groupInterface = "lo"
        options.groupLoopback = true
        options.groupHops = 0
        #if canImport(Darwin)
            options.groupInterface = "lo0"
        #endif
        let socket = try UDPSocket.bind("0.0.0.0", options: options)
        let port = try await socket.opened.localPort
        let first = try PythonPeer("udp_group", "239.77.1.1", "\(port)")
        let second = try PythonPeer("udp_group", "239.77.1.2", "\(port)")
        _ = try await (first.line(), second.line())
        first.tell("to the first")
        #expect(try await socket.receive().data == ByteBuffer(string: "to the first"))
        try await socket.join("239.77.1.2")
        second.tell("to the second")
        #expect(try await socket.receive().data == ByteBuffer(string: "to the second"))
        try await socket.leave("239.77.1.1")
        first.tell("nobody")
        _ = try await (first.line(), first.line())
        second.tell("again")
        #expect(try await socket.receive().data == ByteBuffer(string: "again"))
        // Sent by the same interface, it comes back.
        try await socket.send(UDPMessage(ByteBuffer(string: "own"), remoteAddress: "239.77.1.2", remotePort: port))
        #expect(try await socket.receive().data == ByteBuffer(string: "own"))
        await #expect(throws: SocketError(.invalidArgument, "")) { try await socket.join("10.0.0.1") }
    }
}
