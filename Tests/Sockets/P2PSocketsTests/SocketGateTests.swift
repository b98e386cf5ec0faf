import NIOCore
import Synchronization
import Testing

@testable import P2PSockets

/// A gate is asked before anything happens, and what it says holds.
@Suite("Permission for plain sockets", .timeLimit(.minutes(1)))
struct SocketGateTests {
    /// Grants what its closure does, and remembers what it was asked.
    final class Gate: SocketGate {
        struct State {
            var asked: [SocketQuestion] = []
            var holds: [SocketHold] = []
            var ended = 0
        }

        let state = Mutex(State())
        let grants: @Sendable (SocketQuestion) -> Bool

        init(_ grants: @escaping @Sendable (SocketQuestion) -> Bool) { self.grants = grants }

        func decide(_ question: SocketQuestion, for hold: SocketHold?) async -> SocketAnswer {
            self.state.withLock { state in
                state.asked.append(question)
                if let hold { state.holds.append(hold) }
            }
            return self.grants(question) ? .granted : .refused("permission denied: \(question) is not granted")
        }

        func ended(_ hold: SocketHold) { self.state.withLock { $0.ended += 1 } }
    }

    /// Grants everything, once it is let; remembers what came in which order.
    final class SlowGate: SocketGate {
        enum Event { case asked, granted, ended }

        let events = Mutex<[Event]>([])
        let mayDecide = Mutex(false)

        func decide(_ question: SocketQuestion, for hold: SocketHold?) async -> SocketAnswer {
            self.events.withLock { $0.append(.asked) }
            while !self.mayDecide.withLock({ $0 }) { await Task.yield() }
            self.events.withLock { $0.append(.granted) }
            return .granted
        }

        func ended(_ hold: SocketHold) { self.events.withLock { $0.append(.ended) } }
    }

    @Test("A grant that comes after a socket of datagrams was closed is given back", arguments: [true, false])
    func lateGrant(isBound: Bool) async throws {
        let gate = SlowGate()
        var options = UDPOptions()
        options.gate = gate
        let socket =
            try isBound ? UDPSocket.bind("127.0.0.1", options: options) : UDPSocket.connect("127.0.0.1", 9, options: options)
        try await until { gate.events.withLock { !$0.isEmpty } }
        socket.close()
        await #expect(throws: SocketError(.closed, "")) { try await socket.closed }
        gate.mayDecide.withLock { $0 = true }
        try await until { gate.events.withLock { $0.contains(.granted) && $0.last == .ended } }
    }

    @Test("A connection that is not granted is refused with the exact text, and nothing comes")
    func connect() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        var options = TCPOptions()
        options.gate = Gate { _ in false }
        let socket = try TCPSocket.connect("127.0.0.1", port, options: options)
        let error = await #expect(throws: SocketError.self) { _ = try await socket.opened }
        #expect(error?.code == .permissionDenied && error?.kind.rawValue == "NotAllowedError")
        #expect(error?.message == "permission denied: tcp-connect:127.0.0.1:\(port) is not granted")
        await #expect(throws: SocketError(.permissionDenied, "")) { try await socket.closed }
        #expect(server.core.acceptedCount == 0)
    }

    @Test("A name that is not granted is not looked up; of its addresses only those that are granted are tried")
    func names() async throws {
        let never = Gate { _ in false }
        var options = TCPOptions()
        options.gate = never
        let unknown = try TCPSocket.connect("no-such-name.invalid", 80, options: options)
        await #expect(throws: SocketError(.permissionDenied, "")) { _ = try await unknown.opened }
        #expect(never.state.withLock { $0.asked } == [SocketQuestion(.tcpConnect, host: "no-such-name.invalid", port: 80)])
        let nameAlone = Gate { $0.leadsTo == nil }
        options.gate = nameAlone
        let rebound = try TCPSocket.connect("localhost", 80, options: options)
        await #expect(throws: SocketError(.permissionDenied, "")) { _ = try await rebound.opened }
        #expect(nameAlone.state.withLock { $0.asked }.dropFirst().allSatisfy { $0.host == "localhost" && $0.leadsTo != nil })
    }

    @Test("What is granted is held until it is gone, and ends when it is taken back")
    func revocation() async throws {
        let gate = Gate { _ in true }
        var options = TCPServerOptions()
        options.gate = gate
        let server = try TCPServerSocket.listen("127.0.0.1", options: options)
        let port = try await server.opened.localPort
        var client = TCPOptions()
        client.gate = gate
        let socket = try TCPSocket.connect("127.0.0.1", port, options: client)
        _ = try await socket.opened
        let holds = gate.state.withLock { $0.holds }
        #expect(holds.count == 2)
        for hold in holds.reversed() { hold.revoke("permission denied: no more") }
        let ended = await #expect(throws: SocketError.self) { try await socket.closed }
        #expect(ended?.code == .permissionDenied && ended?.message == "permission denied: no more")
        await #expect(throws: SocketError(.permissionDenied, "")) { _ = try await socket.read() }
        await #expect(throws: SocketError(.permissionDenied, "")) { try await server.closed }
        try await until { gate.state.withLock { $0.ended } >= 2 }
    }

    @Test("A listener and a bound socket are asked about before they bind, with 0 for any port")
    func listen() async throws {
        let gate = Gate { _ in false }
        var options = TCPServerOptions()
        options.gate = gate
        let server = try TCPServerSocket.listen("::", options: options)
        let error = await #expect(throws: SocketError.self) { _ = try await server.opened }
        #expect(error?.message == "permission denied: tcp-listen:[::]:0 is not granted")
        var udp = UDPOptions()
        udp.gate = gate
        let bound = try UDPSocket.bind("127.0.0.1", 5_353, options: udp)
        let denied = await #expect(throws: SocketError.self) { _ = try await bound.opened }
        #expect(denied?.message == "permission denied: udp-listen:127.0.0.1:5353 is not granted")
        let connected = try UDPSocket.connect("127.0.0.1", 53, options: udp)
        let refused = await #expect(throws: SocketError.self) { _ = try await connected.opened }
        #expect(refused?.message == "permission denied: udp-connect:127.0.0.1:53 is not granted")
    }

    @Test("A bound socket answers who wrote to it; anybody else needs a grant")
    func answers() async throws {
        var options = UDPOptions()
        options.gate = Gate { $0.capability == .udpListen }
        let socket = try UDPSocket.bind("127.0.0.1", options: options)
        let port = try await socket.opened.localPort
        let other = try UDPSocket.bind("127.0.0.1")
        let otherPort = try await other.opened.localPort
        let message = UDPMessage(ByteBuffer(string: "x"), remoteAddress: "127.0.0.1", remotePort: otherPort)
        await #expect(throws: SocketError(.permissionDenied, "")) { try await socket.send(message) }
        try await other.send(UDPMessage(ByteBuffer(string: "first"), remoteAddress: "127.0.0.1", remotePort: port))
        _ = try await socket.receive()
        try await socket.send(message)
        #expect(try await other.receive().data == ByteBuffer(string: "x"))
    }

    @Test("Senders that may be answered are remembered, bounded: the first make room")
    func senders() throws {
        var senders = RecentSenders()
        let addresses = try (0...SocketLimits.rememberedSenders).map { try SocketAddress(ipAddress: "192.0.2.1", port: 1_024 + $0) }
        for address in addresses { senders.remember(address) }
        senders.remember(addresses[1])
        #expect(!senders.contains(addresses[0]) && addresses.dropFirst().allSatisfy(senders.contains))
    }
}
