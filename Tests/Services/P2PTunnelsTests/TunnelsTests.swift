import NIOCore
import NIOPosix
import P2PCore
import P2PProtocolTesting
import Testing

@testable import P2PTunnels

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Tunnels of connections", .timeLimit(.minutes(2)))
struct TunnelsTests {
    private static let mebibytes = ByteBuffer(bytes: (0..<4 * 1_048_576).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })

    @Test("A program that half-closes gets its whole answer, however much goes each way")
    func halfClose() async throws {
        try await withServer { inbound, outbound, channel in
            let question = try await inbound.all()
            // NIO throws away what is still to be written when the second half of a channel is closed, so the system has to have it all.
            try await channel.writeAndFlush(question).get()
            outbound.finish()
        } _: { target in
            try await TunnelPair.with(service: target) { pair in
                let listen = try await pair.forward()
                let answer = try await listen.program { inbound, outbound, _ in
                    try await outbound.write(Self.mebibytes)
                    outbound.finish()
                    return try await inbound.all()
                }
                #expect(answer == Self.mebibytes)
                #expect(try await pair.isEmpty())
                let status = try #require(pair.reaching.list.first)
                #expect(status.bytesIn == UInt64(Self.mebibytes.readableBytes) && status.bytesOut == status.bytesIn)
                #expect(status.totalFlows == 1 && status.flows == 0)
            }
        }
    }

    @Test("A server that speaks first is heard by a program that says nothing")
    func serverFirst() async throws {
        try await withServer { inbound, outbound, _ in
            try await outbound.write(ByteBuffer(string: "220 hello\r\n"))
            _ = try await inbound.all()
        } _: { target in
            try await TunnelPair.with(service: target) { pair in
                let listen = try await pair.forward()
                try await listen.program { inbound, outbound, _ in
                    var iterator = inbound.makeAsyncIterator()
                    let greeting = try await iterator.next()
                    #expect(greeting == ByteBuffer(string: "220 hello\r\n"))
                    outbound.finish()
                    let rest = try await iterator.next()
                    #expect(rest == nil)
                }
                #expect(try await pair.isEmpty())
            }
        }
    }

    @Test("What a program says before it closes at once is not lost")
    func closesAtOnce() async throws {
        let (heard, hears) = AsyncStream.makeStream(of: Int.self)
        try await withServer { inbound, _, _ in
            hears.yield(try await inbound.all().readableBytes)
        } _: { target in
            try await TunnelPair.with(service: target) { pair in
                let listen = try await pair.forward()
                for _ in 0..<10 {
                    try await listen.program { _, outbound, _ in try await outbound.write(ByteBuffer(repeating: 1, count: 100_000)) }
                }
                var iterator = heard.makeAsyncIterator()
                for _ in 0..<10 { #expect(await iterator.next() == 100_000) }
                #expect(try await pair.isEmpty())
            }
        }
    }

    @Test("A reset goes through, from either end", arguments: [true, false])
    func reset(byServer: Bool) async throws {
        let (ended, ends) = AsyncStream.makeStream(of: Bool.self)
        @Sendable func abort(_ channel: any Channel) async throws {
            channel.eventLoop.execute { channel.closeAbruptly() }
            try await channel.closeFuture.get()
        }
        /// Reads to the end; tells of the first bytes, and whether it was cut off.
        @Sendable func isBroken(
            _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, first: @Sendable () async throws -> Void = {}
        ) async -> Bool {
            var isFirst = true
            do {
                for try await _ in inbound {
                    if isFirst { try await first() }
                    isFirst = false
                }
                return false
            } catch { return true }
        }
        // Whoever breaks it off has heard the other before.
        try await withServer { inbound, outbound, channel in
            try await outbound.write(ByteBuffer(string: "x"))
            if byServer {
                for try await _ in inbound { try await abort(channel) }
            } else {
                ends.yield(await isBroken(inbound))
            }
        } _: { target in
            try await TunnelPair.with(service: target) { pair in
                let listen = try await pair.forward()
                try? await listen.program { inbound, outbound, channel in
                    if byServer {
                        ends.yield(await isBroken(inbound) { try await outbound.write(ByteBuffer(string: "y")) })
                    } else {
                        for try await _ in inbound { try await abort(channel) }
                    }
                }
                var iterator = ended.makeAsyncIterator()
                #expect(await iterator.next() == true)
                #expect(try await pair.isEmpty())
            }
        }
    }

    @Test("A target that refuses, and one that is not there, end the program's connection")
    func refused() async throws {
        for target in [TunnelEndpoint.ip(host: "127.0.0.1", port: 1), .unix(path: "/nowhere/at/all")] {
            try await TunnelPair.with(service: target) { pair in
                let listen = try await pair.forward()
                do {
                    let all = try await listen.program { inbound, _, _ in try await inbound.all() }
                    Issue.record("the program read \(all.readableBytes) bytes to the end")
                } catch {}
                #expect(try await pair.isEmpty())
                guard case .failed(_, _, let error)? = await pair.serving.events.first(where: { _ in true }) else { return }
                #expect(error.code == .refused)
            }
        }
    }

    @Test("A reader who takes nothing holds up its own sender, and is in nobody's way")
    func slowReader() async throws {
        try await withServer { inbound, outbound, _ in
            // Endless, until nobody takes it.
            while true { try await outbound.write(ByteBuffer(repeating: 0, count: 65_536)) }
        } _: { target in
            try await TunnelPair.with(service: target) { pair in
                let listen = try await pair.forward()
                let slow = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .channelOption(.autoRead, value: false).connect(to: try listen.address).get()
                var last: UInt64 = 0
                for _ in 0..<500 {
                    try await Task.sleep(for: .milliseconds(50))
                    let now = pair.reaching.list[0].bytesIn
                    if now == last, now > 0 { break }
                    last = now
                }
                let quick = try await listen.program { inbound, _, _ in
                    var count = 0
                    for try await bytes in inbound {
                        count += bytes.readableBytes
                        if count > 16 * 1_048_576 { break }
                    }
                    return count
                }
                #expect(quick > 16 * 1_048_576)
                #expect(pair.reaching.list[0].bytesIn >= last)
                try await slow.close()
                #expect(try await pair.isEmpty())
            }
        }
    }

    @Test("A socket goes on where its stream lives, with all that it is sent, keeps its place at the listener, and is cancelled as before")
    func moved() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let loops = Array(group.makeIterator())
        let (pumps, pump) = AsyncStream.makeStream(of: TunnelPump.self)
        let listener = try await TunnelListener.bind(.ip(host: "127.0.0.1", port: 0), limit: 1, group: loops[0]) { channel in
            let made = TunnelPump(times: .init(idle: nil, halfClosedIdle: .minutes(10)), on: channel.eventLoop)
            try channel.pipeline.syncOperations.addHandler(made)
            pump.yield(made)
        }
        for isCancelled in [false, true] {
            try await listener.endpoint.program { inbound, outbound, _ in
                try await outbound.write(ByteBuffer(string: "before "))
                let first = try #require(await pumps.first { _ in true })
                var second = first
                // It goes once it is active.
                for _ in 0..<1_000 where second === first {
                    second = try await first.moved(to: loops[1]) { listener.takePlace() }
                    if second === first { try await Task.sleep(for: .milliseconds(10)) }
                }
                #expect(second !== first)
                let again = try await second.moved(to: loops[1]) { listener.takePlace() }
                #expect(again === second)
                let pair = StreamPair()
                let ended = second.attach(pair.listener, TunnelTraffic())
                try await outbound.write(ByteBuffer(string: "after"))
                #expect(try await pair.dialer.readExactly(12) == ByteBuffer(string: "before after"))
                if isCancelled {
                    first.cancel()
                    await #expect(throws: TunnelError(.broken, "")) { _ = try await ended.get() }
                } else {
                    try await pair.dialer.write(text: "answer")
                    try await pair.dialer.finish()
                    outbound.finish()
                    #expect(try await String(buffer: inbound.all()) == "answer")
                    _ = try await ended.get()
                }
            }
        }
        await listener.close()
        try await group.shutdownGracefully()
    }

    @Test("A tunnel that is closed breaks its flows off and frees its port; the peer's id may come first")
    func closed() async throws {
        try await withServer { inbound, outbound, _ in
            for try await bytes in inbound { try await outbound.write(bytes) }
        } _: { target in
            try await TunnelPair.with(service: target, introduction: .line) { pair in
                let listen = try await pair.forward()
                try await listen.program { inbound, _, _ in
                    var iterator = inbound.makeAsyncIterator()
                    let line = try await iterator.next()
                    #expect(line == ByteBuffer(string: "\(pair.peer)\n"))
                    let id = pair.reaching.list[0].id
                    #expect(await pair.reaching.close(id))
                    #expect(await !pair.reaching.close(id))
                    await #expect(throws: (any Error).self) {
                        while try await iterator.next() != nil {}; throw ChannelError.eof
                    }
                }
                await #expect(throws: (any Error).self) { try await listen.program { _, _, _ in } }
                #expect(try await pair.isEmpty())
                #expect(pair.reaching.list.isEmpty)
            }
        }
    }

    @Test("A relay of datagrams ends with the program's connection, also after the program has said something on it")
    func associated() async throws {
        try await TunnelPair.with(service: .ip(host: "127.0.0.1", port: 1)) { pair in
            let listen = try await pair.reaching.socks(.ip(host: "127.0.0.1", port: 0), through: pair.peer).listen
            try await listen.program { inbound, outbound, _ in
                var iterator = inbound.makeAsyncIterator()
                try await outbound.write(ByteBuffer(bytes: [5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]))
                var reply = ByteBuffer()
                while reply.readableBytes < 12, let bytes = try await iterator.next() { reply.writeImmutableBuffer(bytes) }
                #expect(Array(reply.readableBytesView.prefix(6)) == [5, 0, 5, 0, 0, 1])
                for _ in 0..<3 { try await outbound.write(ByteBuffer(string: "x")) }
                outbound.finish()
                // A reset would be an end as well.
                while let _ = try? await iterator.next() {}
            }
        }
    }

    @Test("A unix socket that is listened on is the user's alone")
    func unixSocket() async throws {
        let path = "/tmp/p2p-tunnels-\(UInt64.random(in: 0...UInt64.max)).sock"
        let listener = try await TunnelListener.bind(.unix(path: path), limit: 1, group: MultiThreadedEventLoopGroup.singleton) { _ in }
        var status = stat()
        let isThere = lstat(path, &status) == 0
        #expect(isThere)
        #expect(status.st_mode & 0o777 == 0o600)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(unixDomainSocketPath: path).get()
        try? await client.close()
        await #expect(throws: TunnelError(.notBound, "")) {
            _ = try await TunnelListener.bind(.unix(path: path), limit: 1, group: MultiThreadedEventLoopGroup.singleton) { _ in }
        }
        await listener.close()
        let isGone = lstat(path, &status) != 0
        #expect(isGone)
    }

    @Test("When the host has ended nothing is begun any more")
    func notStarted() async throws {
        let kept = Tunnels.Box<Tunnels?>(nil)
        try await TunnelPair.with(service: .unix(path: "/nowhere/at/all")) { pair in
            kept.value = pair.reaching
        }
        let tunnels = try #require(kept.value)
        let isStarted = tunnels.start {}
        #expect(!isStarted)
    }

    @Test("A name is served once")
    func nameTaken() throws {
        let tunnels = Tunnels()
        let name = try #require(TunnelName("/x/a"))
        let service = TunnelService(name, at: .unix(path: "/a"))
        try tunnels.serve(service)
        #expect(throws: TunnelError(.nameTaken, "")) { try tunnels.serve(service) }
    }
}
