import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPipeline
import Testing

@testable import P2PTCP

@Suite("TCP transport")
struct TCPTransportTests {
    private let transport = TCPTransport()
    private var soon: DialOptions { DialOptions(deadline: .now() + .seconds(20)) }

    @Test(
        "It takes IP addresses and names with a port, and nothing behind them but a peer",
        arguments: [
            ("/ip4/127.0.0.1/tcp/4001", true, true),
            ("/ip6/::1/tcp/4001", true, true),
            ("/ip6zone/lo/ip6/fe80::1/tcp/4001", true, true),
            ("/dns/example.com/tcp/4001", true, false),
            ("/dns4/example.com/tcp/4001", true, false),
            ("/dns6/example.com/tcp/4001", true, false),
            ("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", true, true),
            ("/ip4/127.0.0.1/tcp/4001/ws", false, false),
            ("/ip4/127.0.0.1/udp/4001/quic-v1", false, false),
            ("/ip4/127.0.0.1", false, false),
            ("/dnsaddr/example.com", false, false),
            ("/memory/1", false, false),
        ])
    func forms(text: String, canDial: Bool, canListen: Bool) throws {
        let address = try Multiaddr(text)
        #expect(self.transport.canDial(address) == canDial)
        #expect(self.transport.canListen(on: address) == canListen)
    }

    @Test(
        "Bytes go both ways, and both ends know their addresses",
        arguments: ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0", "/dns4/localhost/tcp/0"])
    func roundTrip(text: String) async throws {
        let isName = text.hasPrefix("/dns")
        let listener = try await self.transport.bind(to: try Multiaddr(isName ? "/ip4/127.0.0.1/tcp/0" : text))
        let address = try #require(listener.addresses.first)
        let port = try #require(address.tcpEndpoint?.port)
        #expect(listener.addresses.count == 1)
        #expect(port != 0)
        let arrivals = Inbox<ByteChannel, Never>(limit: 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run { channel in _ = arrivals.offer(channel) } }
            let dialled = try await self.transport.connect(
                to: isName ? try Multiaddr("/dns4/localhost/tcp/\(port)") : address, options: self.soon)
            let accepted = try #require(await arrivals.next())
            #expect(dialled.remoteAddress == address)
            #expect(accepted.localAddress == address)
            #expect(accepted.remoteAddress == dialled.localAddress)
            #expect(try await dialled.channel.getOption(.tcpOption(.tcp_nodelay)).get() == 1)
            #expect(try await accepted.channel.getOption(.tcpOption(.tcp_nodelay)).get() == 1)
            #expect(try await accepted.channel.getOption(.autoRead).get() == false)
            try await dialled.channel.close()
            try? await accepted.channel.close()
            group.cancelAll()
        }
    }

    @Test("A wildcard listens on one address per interface, all with the port it was given by the system")
    func wildcard() async throws {
        let listener = try await self.transport.bind(to: Multiaddr("/ip4/0.0.0.0/tcp/0"))
        let addresses = listener.addresses
        #expect(addresses.contains { $0.isLoopback })
        #expect(addresses.allSatisfy { !$0.isUnspecified && $0.tcpEndpoint?.port != 0 })
        #expect(Set(addresses.compactMap { $0.tcpEndpoint?.port }).count == 1)
        #expect(Set(addresses).count == addresses.count)
        try await self.stop(listener)
    }

    @Test("A second listener on the same address is told that it is taken")
    func taken() async throws {
        let listener = try await self.transport.bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let address = try #require(listener.addresses.first)
        await #expect(throws: TransportError(.addressInUse, "")) { try await self.transport.bind(to: address) }
        try await self.stop(listener)
    }

    @Test("IPv4 and IPv6 wildcards share a port")
    func bothFamilies() async throws {
        let six = try await self.transport.bind(to: Multiaddr("/ip6/::/tcp/0"))
        let port = try #require(six.addresses.first?.tcpEndpoint?.port)
        let four = try await self.transport.bind(to: try Multiaddr("/ip4/0.0.0.0/tcp/\(port)"))
        #expect(four.addresses.allSatisfy { $0.tcpEndpoint?.port == port })
        try await self.stop(six)
        try await self.stop(four)
    }

    @Test("A port where nobody listens is unreachable, and the error names it")
    func refused() async throws {
        let listener = try await self.transport.bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let address = try #require(listener.addresses.first)
        try await self.stop(listener)
        do {
            _ = try await self.transport.connect(to: address, options: self.soon)
            Issue.record("something answered")
        } catch {
            #expect(error.code == .unreachable)
            #expect(error.message.contains("127.0.0.1"))
        }
    }

    @Test("A name that does not exist is unresolvable")
    func unresolvable() async throws {
        let address = Multiaddr("/dns4/does-not-exist.invalid/tcp/1")
        await #expect(throws: TransportError(.unresolvable, "")) { try await self.transport.connect(to: address, options: self.soon) }
    }

    @Test("An interface that does not exist makes the address invalid")
    func unknownZone() async throws {
        let address = Multiaddr("/ip6zone/nonesuch0/ip6/fe80::1/tcp/1")
        await #expect(throws: TransportError(.invalidAddress, "")) { try await self.transport.connect(to: address, options: self.soon) }
    }

    @Test("A deadline in the past is not tried")
    func pastDeadline() async throws {
        let address = Multiaddr("/ip4/127.0.0.1/tcp/1")
        await #expect(throws: TransportError(.timedOut, "")) {
            try await self.transport.connect(to: address, options: DialOptions(deadline: .now() - .seconds(1)))
        }
    }

    @Test("Cancelling the run closes the socket")
    func cancelling() async throws {
        let listener = try await self.transport.bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let address = try #require(listener.addresses.first)
        try await self.stop(listener)
        await #expect(throws: TransportError(.unreachable, "")) { try await self.transport.connect(to: address, options: self.soon) }
    }

    /// Runs the listener just long enough to end it.
    private func stop(_ listener: any ByteListener) async throws {
        let running = Task { try await listener.run { _ in } }
        running.cancel()
        try await running.value
    }
}
