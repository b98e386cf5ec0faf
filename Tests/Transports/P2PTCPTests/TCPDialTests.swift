import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PNames
import P2PPipeline
import Synchronization
import Testing

@testable import P2PTCP

@Suite("Dialing over TCP", .timeLimit(.minutes(1)))
struct TCPDialTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    private var soon: DialOptions { DialOptions(deadline: .now() + .seconds(20)) }

    private func server(backlog: Int32 = 16) async throws -> any Channel {
        try await ServerBootstrap(group: self.group).serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.autoRead, value: false).bind(host: "127.0.0.1", port: 0).get()
    }

    /// Some channel of the system's that is connected to nobody.
    private func loneChannel() async throws -> any Channel {
        try await DatagramBootstrap(group: self.group).bind(host: "127.0.0.1", port: 0).get()
    }

    private func resolver(_ addresses: [SocketAddress]) -> NameResolver {
        NameResolver { _, _, _ in .success(addresses) }
    }

    #if os(Linux)
        @Test("An address that swallows packets does not fail the name: the next one is tried beside it")
        func blackHole() async throws {
            // Nothing is accepted here, and once the backlog is full the system drops whatever else arrives.
            let hole = try await self.server(backlog: 0)
            let holeAddress = try #require(hole.localAddress)
            var isFull = false
            while !isFull {
                let filler = ClientBootstrap(group: self.group).connectTimeout(.milliseconds(200)).connect(to: holeAddress)
                isFull = (try? await filler.get()) == nil
            }
            let server = try await self.server()
            let address = try #require(server.localAddress)
            let transport = TCPTransport(resolver: self.resolver([holeAddress, address]))
            let dialled = try await transport.connect(to: Multiaddr("/dns/two.example/tcp/1"), options: self.soon)
            #expect(dialled.remoteAddress == Multiaddr(tcp: address))
            for channel in [dialled.channel, server, hole] { try await channel.close() }
        }
    #endif

    @Test("Each address of a name is asked about before it is dialled, and nothing goes to one that is refused")
    func eachAddress() async throws {
        let asked = Mutex<[String]>([])
        let server = try await self.server()
        let address = try #require(server.localAddress)
        let port = try #require(address.port)
        // Nobody is asked about a connection that is never tried, and this one would come first.
        let refused = try SocketAddress(ipAddress: "127.0.0.2", port: port)
        let trap = try await ServerBootstrap(group: self.group).serverChannelOption(.autoRead, value: false).bind(to: refused).get()
        let transport = TCPTransport(resolver: self.resolver([refused, address]))
        var options = self.soon
        options.mayReach = { (ip: IPAddress) async throws(TransportError) in
            asked.withLock { $0.append("\(ip)") }
            if ip != .loopbackV4 { throw TransportError(.gated, "permission denied: \(ip)") }
        }
        let dialled = try await transport.connect(to: Multiaddr("/dns/two.example/tcp/1"), options: options)
        #expect(dialled.remoteAddress == Multiaddr(tcp: address))
        #expect(asked.withLock { $0 } == ["127.0.0.2", "127.0.0.1"])
        let none = TCPTransport(resolver: self.resolver([refused]))
        let error = await #expect(throws: TransportError.self) {
            try await none.connect(to: Multiaddr("/dns/one.example/tcp/1"), options: options)
        }
        #expect(error?.code == .gated && error?.message == "permission denied: 127.0.0.2")
        for channel in [dialled.channel, server, trap] { try await channel.close() }
    }

    @Test("When every address of a name fails, the error names each")
    func everyAddress() async throws {
        var addresses: [SocketAddress] = []
        for _ in 0..<2 {
            let server = try await self.server()
            addresses.append(try #require(server.localAddress))
            try await server.close()
        }
        let transport = TCPTransport(resolver: self.resolver(addresses))
        let error = await #expect(throws: TransportError.self) {
            try await transport.connect(to: Multiaddr("/dns/none.example/tcp/1"), options: self.soon)
        }
        #expect(error?.code == .unreachable)
        for address in addresses { #expect(error?.message.contains("\(address.port ?? 0)") == true) }
    }

    @Test("The first connection is kept, and one that is made in spite of that is closed")
    func losers() async throws {
        let (slow, fast) = (try await self.loneChannel(), try await self.loneChannel())
        let never = Inbox<Void, Never>(limit: 1)
        let (first, second) = (try #require(slow.localAddress), try #require(fast.localAddress))
        let here = Multiaddr(ip: .loopbackV4, tcp: 1)
        let race = AddressRace { (address: SocketAddress) in
            // Being called off comes too late for it.
            if address == first { _ = await never.next() }
            return ByteChannel(channel: address == first ? slow : fast, localAddress: here, remoteAddress: here)
        } discard: {
            $0.channel.close(promise: nil)
        }
        let winner = try await race.run([first, second]).get()
        #expect(winner.channel === fast)
        try await slow.closeFuture.get()
        #expect(fast.isActive)
        try await fast.close()
    }

    @Test(
        "A name with many addresses that say nothing and a last one that works leads there, with no more open than the limit",
        arguments: [14, 32])
    func manySilent(count: Int) async throws {
        let open = Mutex((now: 0, most: 0))
        let race = AddressRace { (number: Int) async throws(TransportError) in
            open.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            defer { open.withLock { $0.now -= 1 } }
            if number == count - 1 { return number }
            await Signal().wait()
            throw TransportError(.cancelled, "it was called off")
        } discard: { _ in
        }
        #expect(try await race.run(Array(0..<count)).get() == count - 1)
        #expect(open.withLock { $0.now } == 0)
        // Those that are called back may be a moment behind those that got their places.
        #expect(open.withLock { $0.most } < AddressRaceLimits.maximumAddresses)
    }

    @Test("A local address that is no TCP address is refused, not ignored", arguments: ["/ip4/127.0.0.1/udp/1", "/dns4/localhost/tcp/1"])
    func localAddress(text: String) async throws {
        let server = try await self.server()
        let address = try #require(Multiaddr(tcp: server.localAddress))
        let options = DialOptions(deadline: .now() + .seconds(20), localAddress: try Multiaddr(text))
        await #expect(throws: TransportError(.unsupportedOptions, "")) { try await TCPTransport().connect(to: address, options: options) }
        try await server.close()
    }

    @Test("A local address is dialled from")
    func fromLocalAddress() async throws {
        let server = try await self.server()
        let address = try #require(Multiaddr(tcp: server.localAddress))
        let options = DialOptions(deadline: .now() + .seconds(20), localAddress: Multiaddr("/ip4/127.0.0.2/tcp/0"))
        let dialled = try await TCPTransport().connect(to: address, options: options)
        #expect(dialled.localAddress.ipAddress?.description == "127.0.0.2")
        try await dialled.channel.close()
        try await server.close()
    }

    @Test("A port that listens can be dialled from, and goes on listening; nobody else may listen there")
    func fromListeningPort() async throws {
        let transport = TCPTransport()
        let listener = try await transport.bind(to: try Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let local = try #require(listener.addresses.first)
        let arrivals = Inbox<ByteChannel, Never>(limit: 4)
        let running = Task { try await listener.run { channel in _ = arrivals.offer(channel) } }
        let options = DialOptions(deadline: .now() + .seconds(20), localAddress: local)
        var dialled: [ByteChannel] = []
        let servers = [try await self.server(), try await self.server()]
        for server in servers {
            dialled.append(try await transport.connect(to: try #require(Multiaddr(tcp: server.localAddress)), options: options))
        }
        #expect(dialled.map(\.localAddress) == [local, local])
        let again = await #expect(throws: TransportError.self) {
            try await transport.connect(to: dialled[0].remoteAddress, options: options)
        }
        #expect(again?.code == .addressInUse || again?.code == .unreachable)
        await #expect(throws: TransportError(.addressInUse, "")) { try await transport.bind(to: local) }
        let ordinary = try await transport.connect(to: local, options: self.soon)
        #expect(await arrivals.next()?.remoteAddress == ordinary.localAddress)
        for channel in (dialled + [ordinary]).map(\.channel) + servers { try? await channel.close() }
        running.cancel()
        try await running.value
    }

    @Test("Only addresses of the local address's IP version are dialled from it")
    func family() async throws {
        let server = try await self.server()
        let address = try #require(server.localAddress)
        let six = try SocketAddress(ipAddress: "::1", port: address.port ?? 0)
        let options = DialOptions(deadline: .now() + .seconds(20), localAddress: try Multiaddr("/ip4/127.0.0.1/tcp/0"))
        let name = try Multiaddr("/dns/two.example/tcp/1")
        let dialled = try await TCPTransport(resolver: self.resolver([six, address])).connect(to: name, options: options)
        #expect(dialled.remoteAddress == Multiaddr(tcp: address))
        await #expect(throws: TransportError(.unsupportedOptions, "")) {
            try await TCPTransport(resolver: self.resolver([six])).connect(to: name, options: options)
        }
        try await dialled.channel.close()
        try await server.close()
    }

    // MARK: Listening

    @Test("An arrival that was gone before it could be named is closed, and nobody is told")
    func nameless() async throws {
        let acceptor = try await TCPAcceptor.bind(
            to: SocketAddress(ipAddress: "127.0.0.1", port: 0), backlog: 1, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let listener = TCPListener(acceptor: acceptor, requested: Multiaddr(ip: .loopbackV4, tcp: 1))
        let gone = try await self.loneChannel()
        #expect(acceptor.arrivals.offer(TCPArrival(channel: gone, progress: ArrivalProgress())))
        let told = Inbox<Void, Never>(limit: 1)
        let running = Task { try await listener.run { _ in _ = told.offer(()) } }
        try await gone.closeFuture.get()
        running.cancel()
        try await running.value
        #expect(told.poll() == nil)
    }

    @Test("A listener that is dropped without having run gives its port back")
    func dropped() async throws {
        let transport = TCPTransport()
        let address = try #require(try await transport.bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0")).addresses.first)
        var again: (any ByteListener)?
        while again == nil {
            await Task.yield()
            again = try? await transport.bind(to: address)
        }
        #expect(again?.addresses == [address])
    }
}
