import NIOCore
import NIOPosix
import P2PCore
import P2PHTTPHead
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Testing

@testable import P2PWebSocket

@Suite("Clients of proxies", .timeLimit(.minutes(1)))
struct ForwardedClientTests {
    private static let proxies = ["10.0.0.0/8", "2001:db8:1::/48"].compactMap { IPNetwork($0) }

    private func client(_ fields: [String], from peer: String = "10.0.0.1") throws -> String? {
        var bytes = ByteBuffer(string: "GET / HTTP/1.1\r\n" + fields.map { "X-Forwarded-For: \($0)\r\n" }.joined() + "\r\n")
        var reader = HTTPHeadReader()
        let read = try reader.received(&bytes)
        let head = try #require(read)
        return ForwardedClient.address(in: head, from: try #require(IPAddress(peer)), trusting: Self.proxies)?.description
    }

    @Test(
        "The rightmost address that is no proxy is the client's",
        arguments: [
            (["192.0.2.7"], "192.0.2.7"), (["1.1.1.1, 192.0.2.7"], "192.0.2.7"), (["192.0.2.7, 10.1.1.1"], "192.0.2.7"),
            (["1.1.1.1, 192.0.2.7,10.1.1.1 ,\t10.2.2.2"], "192.0.2.7"), (["1.1.1.1", "192.0.2.7"], "192.0.2.7"),
            (["192.0.2.7", "10.1.1.1"], "192.0.2.7"), (["10.3.3.3, 10.1.1.1"], "10.3.3.3"), (["2001:db8:2::1"], "2001:db8:2::1"),
            (["[2001:db8:2::1]"], "2001:db8:2::1"), (["[2001:db8:2::1]:443"], "2001:db8:2::1"), (["192.0.2.7:5000"], "192.0.2.7"),
            (["::ffff:192.0.2.7"], "192.0.2.7"), (["192.0.2.7, 2001:db8:1::5"], "192.0.2.7"),
            // What is no address ends the look.
            (["192.0.2.7, unknown"], nil), (["unknown, 192.0.2.7"], "192.0.2.7"), (["192.0.2.7, unknown, 10.1.1.1"], "10.1.1.1"),
            ([""], nil), ([","], nil), (["192.0.2.7,"], nil), (["example.org"], nil), (["192.0.2.7:"], nil), (["192.0.2.7:99999"], nil),
            (["192.0.2.7:+1"], nil), (["[192.0.2.7]"], nil), (["[2001:db8:2::1"], nil), (["2001:db8:2::1]"], nil), (["0.0.0.0"], nil),
            (["192.0.2.7 10.1.1.1"], nil), (["\"192.0.2.7\""], nil), ([], nil),
        ] as [([String], String?)])
    func clients(fields: [String], expected: String?) throws {
        #expect(try self.client(fields) == expected)
    }

    @Test("What a stranger says is not believed", arguments: ["192.0.2.1", "11.0.0.1", "2001:db8:2::1", "127.0.0.1"])
    func strangers(peer: String) throws {
        #expect(try self.client(["1.1.1.1"], from: peer) == nil)
    }

    @Test("A list without end is looked at from the right, and not far")
    func long() throws {
        let many = Array(repeating: "10.1.1.1", count: 1_000).joined(separator: ", ")
        #expect(try self.client(["192.0.2.7, " + many]) == "10.1.1.1")
    }

    // MARK: Ports

    private static func request(_ client: String) -> String {
        """
        GET / HTTP/1.1\r
        Host: a\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        X-Forwarded-For: \(client)\r
        \r

        """
    }

    /// From where a WebSocket of that client arrives that passes through loopback.
    private func arrival(_ transport: some ByteTransport, at address: Multiaddr, _ client: String) async throws -> Multiaddr? {
        let listener = try await transport.bind(to: address)
        let arrivals = Inbox<ByteChannel, Never>(limit: 1)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await listener.run { bytes in
                    if arrivals.offer(bytes) { try? await bytes.channel.closeFuture.get() }
                }
            }
            let remote = try await connect(try #require(listener.addresses.first)).executeThenClose { _, outbound in
                try await outbound.write(ByteBuffer(string: Self.request(client)))
                let bytes = await arrivals.next()
                try await bytes?.channel.close()
                return bytes?.remoteAddress
            }
            group.cancelAll()
            return remote
        }
    }

    @Test("A WebSocket's arrival counts for the client, on a port of its own and on a shared one", arguments: [false, true])
    func ports(isShared: Bool) async throws {
        let networks = KnownNetworks(proxies: [IPNetwork(.loopbackV4)])
        let transport: any ByteTransport =
            isShared
            ? SharedPortTransport(over: TCPTransport(), configuration: WebSocketConfiguration(), networks: networks)
            : WebSocketTransport(over: TCPTransport(), networks: networks)
        let address: Multiaddr = isShared ? "/ip4/127.0.0.1/tcp/0" : "/ip4/127.0.0.1/tcp/0/ws"
        let remote = try #require(try await self.arrival(transport, at: address, "192.0.2.7"))
        #expect(remote.ipAddress == IPAddress("192.0.2.7") && remote.components.last?.protocol == .ws)
    }

    @Test("Without a proxy that is believed, it counts for whoever connects")
    func unbelieved() async throws {
        let networks = KnownNetworks(allowed: [IPNetwork(.loopbackV4)], proxies: Self.proxies)
        for networks in [networks, KnownNetworks()] {
            let transport = WebSocketTransport(over: TCPTransport(), networks: networks)
            let remote = try await self.arrival(transport, at: "/ip4/127.0.0.1/tcp/0/ws", "192.0.2.7")
            #expect(remote?.isLoopback == true)
        }
    }
}
