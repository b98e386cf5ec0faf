import NIOCore
import NIOEmbedded
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Synchronization
import Testing

@testable import P2PWebSocket

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#endif

@Suite("Those who are no peers", .timeLimit(.minutes(1)))
struct WebClientTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    private static let webSocket = """
        GET /echo HTTP/1.1\r
        Host: a\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        \r

        """

    /// Answers everything, and remembers who asked.
    private final class App: WebHandler {
        let clients = Inbox<Multiaddr, Never>(limit: 64)
        let size: Int

        init(size: Int = 2) { self.size = size }

        func reply(to request: WebRequest) async -> WebReply? {
            _ = self.clients.offer(request.remoteAddress)
            guard request.wantsWebSocket else { return .response(status: 200, content: ByteBuffer(repeating: 0x61, count: self.size)) }
            return .webSocket { stream in
                for try await bytes in stream.inbound { try await stream.outbound.write(bytes) }
            }
        }
    }

    // MARK: Places

    private final class Place: Sendable {
        let reservation: Reservation

        init(_ reservation: consuming Reservation) { self.reservation = reservation }
    }

    private func addresses(_ texts: String...) throws -> [Multiaddr] { try texts.map { try Multiaddr("\($0)/tcp/1") } }

    @Test("One address gets some of the places, loopback any, and what is given back is free")
    func places() throws {
        let places = Places("waiting", limit: 4, perAddress: 2)
        let address = try self.addresses("/ip4/192.0.2.1", "/ip4/192.0.2.2", "/ip6/2001:db8::1", "/ip6/2001:db8::2", "/ip4/127.0.0.1")
        var held = [Place(try places.take(for: address[0])), Place(try places.take(for: address[0]))]
        #expect(throws: LimitError(limit: "waitingPerAddress", value: 2)) { _ = try places.take(for: address[0]) }
        held += [Place(try places.take(for: address[2])), Place(try places.take(for: address[1]))]
        #expect(throws: LimitError(limit: "waiting", value: 4)) { _ = try places.take(for: address[4]) }
        held.removeFirst()
        held.append(Place(try places.take(for: address[3])))
        held.removeFirst()
        #expect(throws: LimitError(limit: "waitingPerAddress", value: 2)) { _ = try places.take(for: address[2]) }
        held.removeAll()
        held = try (0..<4).map { _ in Place(try places.take(for: address[4])) }
        #expect(throws: LimitError(limit: "waiting", value: 4)) { _ = try places.take(for: address[0]) }
    }

    /// Opens a connection that says nothing, and gives it time to arrive.
    private func silent(_ address: Multiaddr, _ elsewhere: Elsewhere) async throws -> any Channel {
        let port = try #require(address.tcpEndpoint?.port)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: Int(port))
            .get()
        _ = await elsewhere.arrived.next()
        return channel
    }

    @Test("However many of one address are silent, others get in")
    func waiting() async throws {
        var limits = WebLimits()
        (limits.waiting, limits.waitingPerAddress) = (4, 2)
        let elsewhere = Elsewhere(Multiaddr("/ip4/192.0.2.1/tcp/1"))
        try await withPort(App(), limits: limits, over: elsewhere) { addresses, _ in
            var channels: [any Channel] = []
            for _ in 0..<6 { channels.append(try await self.silent(addresses[0], elsewhere)) }
            // All but two are closed.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for channel in channels { group.addTask { try await channel.closeFuture.get() } }
                for _ in 0..<4 { try await group.next() }
                elsewhere.move(to: Multiaddr("/ip4/192.0.2.2/tcp/1"))
                #expect(try await ask(addresses[0], Self.get).hasPrefix("HTTP/1.1 200 "))
                for channel in channels { channel.close(promise: nil) }
            }
        }
    }

    @Test("However many clients of one address are served, others are, too")
    func serving() async throws {
        var limits = WebLimits()
        (limits.serving, limits.servingPerAddress) = (4, 1)
        let elsewhere = Elsewhere(Multiaddr("/ip4/192.0.2.1/tcp/1"))
        try await withPort(App(), limits: limits, over: elsewhere) { addresses, _ in
            try await connect(addresses[0]).executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: Self.webSocket))
                var isSwitched = false
                for try await bytes in inbound where String(buffer: bytes).hasPrefix("HTTP/1.1 101 ") {
                    isSwitched = true
                    break
                }
                #expect(isSwitched)
                #expect((try? await ask(addresses[0], Self.get)) ?? "" == "")
                elsewhere.move(to: Multiaddr("/ip4/192.0.2.2/tcp/1"))
                #expect(try await ask(addresses[0], Self.get).hasPrefix("HTTP/1.1 200 "))
            }
        }
    }

    /// Tells when the peer has closed its half.
    private final class InputEnd: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let promise: EventLoopPromise<Void>

        init(_ promise: EventLoopPromise<Void>) { self.promise = promise }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { self.promise.succeed() }
        }

        func channelInactive(context: ChannelHandlerContext) { self.promise.fail(ChannelError.eof) }
    }

    /// Asks, takes the answer, and does not hang up.
    private func lingerer(_ address: Multiaddr) async throws -> any Channel {
        let port = try #require(address.tcpEndpoint?.port)
        let group = MultiThreadedEventLoopGroup.singleton
        let ended = group.next().makePromise(of: Void.self)
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { $0.pipeline.addHandler(InputEnd(ended)) }
            .connect(host: "127.0.0.1", port: Int(port)).get()
        try await channel.writeAndFlush(ByteBuffer(string: Self.get))
        try await ended.futureResult.get()
        return channel
    }

    @Test("Who is told 404 has a place until it hangs up, as any client")
    func notFound() async throws {
        var limits = WebLimits()
        (limits.serving, limits.servingPerAddress, limits.lingering) = (4, 1, .seconds(30))
        let elsewhere = Elsewhere(Multiaddr("/ip4/192.0.2.1/tcp/1"))
        try await withPort(nil, limits: limits, over: elsewhere) { addresses, _ in
            let first = try await self.lingerer(addresses[0])
            #expect((try? await ask(addresses[0], Self.get)) ?? "" == "")
            elsewhere.move(to: Multiaddr("/ip4/192.0.2.2/tcp/1"))
            #expect(try await ask(addresses[0], Self.get).hasPrefix("HTTP/1.1 404 "))
            try await first.close()
        }
    }

    // MARK: The gater

    /// Lets one address in; about another it never decides.
    private final class Choosy: ConnectionGater {
        let welcome: Multiaddr
        let undecided: Multiaddr
        let asked = Mutex<[Multiaddr]>([])

        init(welcome: Multiaddr, undecided: Multiaddr) { (self.welcome, self.undecided) = (welcome, undecided) }

        func mayAccept(from address: Multiaddr) async -> GateAnswer {
            self.asked.withLock { $0.append(address) }
            if address == self.undecided { try? await Task.sleep(for: .seconds(3_600)) }
            return GateAnswer(address == self.welcome)
        }
    }

    @Test("The gater is asked on the address before the application gets a client, or anybody a handshake", arguments: [false, true])
    func gater(isSecure: Bool) async throws {
        let address = try self.addresses("/ip4/192.0.2.1", "/ip4/192.0.2.2", "/ip4/192.0.2.3")
        let gater = Choosy(welcome: address[0], undecided: address[2])
        let (app, elsewhere) = (App(), Elsewhere(address[0]))
        let files = isSecure ? try CertificateFiles() : nil
        for remote in address {
            var limits = WebLimits()
            if remote == gater.undecided { limits.patience = .milliseconds(500) }
            elsewhere.move(to: remote)
            try await withPort(app, showing: files, limits: limits, over: elsewhere, gater: gater) { addresses, _ in
                // Of TLS, an alert would come.
                let nonsense = "\u{16}\u{3}\u{1}\u{0}\u{4}\u{63}\u{0}\u{0}\u{0}"
                let answer = (try? await ask(addresses[0], isSecure ? nonsense : Self.get)) ?? ""
                #expect(answer.isEmpty == (remote != gater.welcome), "\(remote): \(answer)")
            }
        }
        #expect(gater.asked.withLock { $0 } == address)
        #expect(Array(app.clients.takeAll()) == (isSecure ? [] : [address[0]]))
    }

    // MARK: Last answers

    @Test("A refusal arrives though much was sent that nobody read")
    func refusals() async throws {
        try await withPort(App()) { addresses, _ in
            let length = 8 * 1_024 * 1_024
            let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n" + String(repeating: "x", count: length)
            for _ in 0..<5 {
                let answer = try await ask(addresses[0], request)
                #expect(answer.hasPrefix("HTTP/1.1 413 "))
                #expect(answer.hasSuffix("\r\n\r\n"))
            }
        }
    }

    /// Counts what arrives.
    private final class ByteCounter: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let count = Mutex(0)

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.count.withLock { $0 += self.unwrapInboundIn(data).readableBytes }
        }
    }

    /// Asks, and reads the answer only when it is told to.
    private func reader(_ address: Multiaddr, _ counter: ByteCounter) async throws -> any Channel {
        let port = try #require(address.tcpEndpoint?.port)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 * 1_024))
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(counter) }
            }
            .connect(host: "127.0.0.1", port: Int(port)).get()
        try await channel.writeAndFlush(ByteBuffer(string: Self.get))
        return channel
    }

    @Test("An answer that is taken slowly is not cut; one that is not taken is")
    func slowness() async throws {
        var limits = WebLimits()
        limits.patience = .seconds(2)
        let size = 32 * 1_024 * 1_024
        let elsewhere = Elsewhere(Multiaddr("/ip4/192.0.2.1/tcp/1"))
        try await withPort(App(size: size), limits: limits, over: elsewhere) { addresses, _ in
            let slow = ByteCounter()
            let channel = try await self.reader(addresses[0], slow)
            // Much less within the patience than the sockets hold.
            let reading = channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(250)) { _ in channel.read() }
            try await Task.sleep(for: .seconds(6))
            reading.cancel()
            try await channel.setOption(.autoRead, value: true).get()
            try await channel.closeFuture.get()
            #expect(slow.count.withLock { $0 } > size)
            try await elsewhere.arrived.next()?.closeFuture.get()

            let never = try await self.reader(addresses[0], ByteCounter())
            try await elsewhere.arrived.next()?.closeFuture.get()
            try await never.close()
        }
    }

    /// Swallows the closing of the output, of which a channel without a socket knows nothing.
    private final class OutputCloser: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        var hasClosed = false

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            guard mode == .output else { return context.close(mode: mode, promise: promise) }
            self.hasClosed = true
            promise?.succeed()
        }
    }

    @Test("Behind the last answer a peer may send so much, for so long", arguments: ["bytes", "time", "end", "error"])
    func lingering(reason: String) throws {
        let (channel, closer) = (EmbeddedChannel(), OutputCloser())
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let promise = channel.eventLoop.makePromise(of: Void.self)
        var isOver = false
        promise.futureResult.assumeIsolated().whenSuccess { isOver = true }
        try channel.pipeline.syncOperations.addHandlers([
            closer, LingeringClose(patience: .seconds(5), allowance: 100, promise: promise),
        ])
        #expect(closer.hasClosed)
        for _ in 0..<10 { try channel.writeInbound(ByteBuffer(repeating: 0, count: 10)) }
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(4_999))
        #expect(!isOver && channel.isActive)
        switch reason {
        case "bytes": try channel.writeInbound(ByteBuffer(repeating: 0, count: 1))
        case "time": channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        case "error": channel.pipeline.fireErrorCaught(IOError(errnoCode: ECONNRESET, reason: "read"))
        default: channel.close(promise: nil)
        }
        #expect(isOver)
        #expect(try channel.readInbound(as: ByteBuffer.self) == nil)
    }

    @Test("Time counts from the last byte that was taken")
    func progress() {
        let start = NIODeadline.uptimeNanoseconds(0)
        var progress = SendProgress(at: start)
        #expect(progress.pause(unsent: 100, at: start + .seconds(1)) == .zero)
        #expect(progress.pause(unsent: 100, at: start + .seconds(9)) == .seconds(8))
        #expect(progress.pause(unsent: 99, at: start + .seconds(10)) == .zero)
        #expect(progress.pause(unsent: 99, at: start + .seconds(11)) == .seconds(1))
    }

    // MARK: Silence

    @Test("A client is asked after so long, and given up after as long again; whatever it does puts that off")
    func silenceMachine() {
        let start = NIODeadline.uptimeNanoseconds(0)
        var silence = ClientSilence(limit: .seconds(60), at: start)
        func look(_ second: Int64, unsent: Int = 0) -> ClientSilence.Verdict {
            silence.look(at: start + .seconds(second), unsent: unsent)
        }
        silence.heardEnough()
        #expect(look(60) == .wait)
        #expect(look(200) == .wait)
        silence.listens(at: start + .seconds(210))
        silence.listens(at: start + .seconds(220))
        #expect(silence.deadline == start + .seconds(270))
        #expect(look(269) == .wait)
        #expect(look(270) == .ask)
        #expect(look(329) == .wait)
        // It takes something.
        #expect(look(330, unsent: 5) == .wait)
        #expect(look(390, unsent: 4) == .wait)
        #expect(look(450, unsent: 4) == .ask)
        silence.heard(at: start + .seconds(500))
        #expect(look(510, unsent: 4) == .wait)
        #expect(look(560, unsent: 4) == .ask)
        silence.heardEnough()
        #expect(look(900) == .wait)
        silence.listens(at: start + .seconds(900))
        #expect(look(960) == .ask)
        #expect(look(1_020) == .giveUp)
    }

    @Test("Who takes nothing of what is to be sent is given up though nobody listens to it, and though the question waits to be sent, too")
    func stuckMachine() {
        let start = NIODeadline.uptimeNanoseconds(0)
        var silence = ClientSilence(limit: .seconds(60), at: start)
        silence.heardEnough()
        #expect(silence.look(at: start + .seconds(60), unsent: 100) == .wait)
        #expect(silence.look(at: start + .seconds(120), unsent: 90) == .wait)
        #expect(silence.look(at: start + .seconds(180), unsent: 90) == .ask)
        silence.asked(unsent: 92)
        #expect(silence.look(at: start + .seconds(239), unsent: 92) == .wait)
        #expect(silence.look(at: start + .seconds(240), unsent: 92) == .giveUp)
    }

    /// Lets nothing out, as the system when the peer's window is shut.
    private final class ShutWindow: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        func flush(context: ChannelHandlerContext) {}
    }

    @Test("A client that keeps its window shut is cut, though nobody listens to it")
    func stuck() throws {
        let collector = Collector()
        let channel = try self.client(collector)
        try channel.pipeline.syncOperations.addHandler(ShutWindow(), position: .first)
        try channel.writeInbound(rawFrame(0x82, [1]))
        channel.writeAndFlush(ByteBuffer(repeating: 0, count: 100), promise: nil)
        channel.embeddedEventLoop.advanceTime(by: .seconds(179))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive)
        #expect((collector.errors.first as? WebSocketError)?.code == .closed)
    }

    private func client(_ collector: Collector) throws -> EmbeddedChannel {
        let (channel, webSocket) = (EmbeddedChannel(), WebSocketHandler(side: .server))
        try channel.pipeline.syncOperations.addHandlers([
            ClientSilenceHandler(limit: .seconds(60), webSocket: webSocket, at: channel.embeddedEventLoop.now), webSocket, collector,
        ])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    @Test("A client who answers pings stays for ever; one who stops is cut, with a reason")
    func pings() throws {
        let collector = Collector()
        let channel = try self.client(collector)
        let ping = ByteBuffer(bytes: [0x89, 0])
        for _ in 0..<100 {
            channel.embeddedEventLoop.advanceTime(by: .seconds(60))
            #expect(try channel.sent() == ping)
            channel.embeddedEventLoop.advanceTime(by: .seconds(59))
            try channel.writeInbound(rawFrame(0x8a))
        }
        #expect(collector.errors.isEmpty && channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(119))
        #expect(channel.isActive)
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive)
        #expect((collector.errors.first as? WebSocketError)?.code == .closed)
    }

    @Test("Who is not listened to is not cut, and neither asked")
    func unread() throws {
        let collector = Collector()
        let channel = try self.client(collector)
        try channel.writeInbound(rawFrame(0x82, [1]))
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(try channel.sent().readableBytes == 0)
        #expect(channel.isActive)
    }

    @Test("A WebSocket's client who does not even answer a ping is cut, whether or not it spoke behind its request", arguments: [0, 3])
    func silence(count: Int) async throws {
        var limits = WebLimits()
        limits.idle = .milliseconds(100)
        try await withPort(App(), limits: limits) { addresses, _ in
            var request = ByteBuffer(string: Self.webSocket)
            request.writeImmutableBuffer(rawFrame(0x82, [UInt8](repeating: 0x61, count: count)))
            let answer = try await ask(addresses[0], request)
            #expect(answer.hasPrefix("HTTP/1.1 101 "))
            #expect(answer.contains("aaa") == (count == 3))
        }
    }

    @Test("The client of a WebSocket who is silent but alive is not cut")
    func alive() async throws {
        var limits = WebLimits()
        limits.idle = .seconds(2)
        try await withPort(App(), limits: limits) { addresses, _ in
            let path = try MultiaddrComponent(.httpPath, text: "echo")
            let dialled = try await WebSocketTransport(over: TCPTransport()).connect(
                to: try addresses[1].appending(path), options: DialOptions(deadline: .now() + .seconds(10)))
            try await prepared(dialled).executeThenClose { inbound, outbound in
                try await Task.sleep(for: .seconds(5))
                try await outbound.write(ByteBuffer(string: "still here"))
                for try await bytes in inbound {
                    #expect(String(buffer: bytes) == "still here")
                    break
                }
            }
        }
    }
}
