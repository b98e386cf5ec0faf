import NIOCore
import NIOEmbedded
import P2PCore
import Testing

@testable import P2PNegotiation

@Suite("NegotiationHandler")
struct NegotiationHandlerTests {
    final class Verdicts {
        var all: [Result<ProtocolID, NegotiationError>] = []
    }

    private func outbound(_ channel: EmbeddedChannel) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
        return bytes
    }

    private func inbound(_ channel: EmbeddedChannel) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try channel.readInbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
        return bytes
    }

    private func connect(_ handler: NegotiationHandler) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait()
        return channel
    }

    private func isGone(_ channel: EmbeddedChannel) -> Bool {
        (try? channel.pipeline.syncOperations.handler(type: NegotiationHandler.self)) == nil
    }

    @Test("The dialer opens, agrees, passes on what is left and goes away", arguments: [1, .max])
    func dialer(pieceSize: Int) throws {
        let verdicts = Verdicts()
        let channel = try self.connect(NegotiationHandler(proposing: ["/a", "/b"], lazily: true) { verdicts.all.append($0) })
        #expect(try self.outbound(channel) == header + frame("/a"))
        var answer = (header + frame("na") + frame("/b") + [1, 2, 3])[...]
        while !answer.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: answer.prefix(pieceSize)))
            answer = answer.dropFirst(pieceSize)
        }
        #expect(try self.outbound(channel) == frame("/b"))
        #expect(verdicts.all == [.success("/b")])
        #expect(try self.inbound(channel) == [1, 2, 3])
        #expect(self.isGone(channel))
        try channel.writeInbound(ByteBuffer(bytes: [4]))
        #expect(try self.inbound(channel) == [4])
        _ = try channel.finish()
        #expect(verdicts.all.count == 1)
    }

    @Test("The listener agrees, and the next handler is there before the first byte behind", arguments: [1, .max])
    func listener(pieceSize: Int) throws {
        final class Collector: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            var bytes: [UInt8] = []
            func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.bytes += self.unwrapInboundIn(data).readableBytesView }
        }
        let channel = EmbeddedChannel()
        let collector = Collector()
        let handler = NegotiationHandler(accepting: ["/a"]) { _ in
            #expect(throws: Never.self) { try channel.pipeline.syncOperations.addHandler(collector) }
        }
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait()
        #expect(try self.outbound(channel) == [])
        var flight = (header + frame("/a") + [1, 2, 3])[...]
        while !flight.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: flight.prefix(pieceSize)))
            flight = flight.dropFirst(pieceSize)
        }
        #expect(try self.outbound(channel) == header + frame("/a"))
        #expect(collector.bytes == [1, 2, 3])
        #expect(self.isGone(channel))
        _ = try channel.finish()
    }

    @Test("A handler added to an active channel begins at once")
    func addedLate() throws {
        let channel = EmbeddedChannel()
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait()
        try channel.pipeline.syncOperations.addHandler(NegotiationHandler(proposing: ["/a"], lazily: false) { _ in })
        #expect(try self.outbound(channel) == header + frame("/a"))
        _ = try channel.finish()
    }

    @Test("A lazy dialer assumes agreement at once; what it writes then travels with the proposal", arguments: [1, .max])
    func lazy(pieceSize: Int) throws {
        final class Greeter: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            func handlerAdded(context: ChannelHandlerContext) {
                context.write(NIOAny(ByteBuffer(string: "hello")), promise: nil)
            }
        }
        let verdicts = Verdicts()
        let channel = EmbeddedChannel()
        let handler = NegotiationHandler(proposing: ["/a"], lazily: true) { verdict in
            verdicts.all.append(verdict)
            #expect(throws: Never.self) { try channel.pipeline.syncOperations.addHandler(Greeter()) }
        }
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait()
        #expect(verdicts.all == [.success("/a")])
        #expect(try self.outbound(channel) == header + frame("/a") + Array("hello".utf8))
        var answer = (header + frame("/a") + [7])[...]
        while !answer.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: answer.prefix(pieceSize)))
            answer = answer.dropFirst(pieceSize)
        }
        #expect(verdicts.all == [.success("/a")])
        #expect(try self.inbound(channel) == [7])
        #expect(self.isGone(channel))
        _ = try channel.finish()
    }

    @Test("A lazy dialer that is refused after all says so, and closes")
    func lazyRefused() throws {
        let verdicts = Verdicts()
        let channel = try self.connect(NegotiationHandler(proposing: ["/a"], lazily: true) { verdicts.all.append($0) })
        try channel.writeInbound(ByteBuffer(bytes: header + frame("na")))
        #expect(verdicts.all == [.success("/a"), .failure(NegotiationError(.noCommonProtocol, ""))])
        #expect(!channel.isActive)
    }

    @Test("A broken message fails the negotiation once and closes the channel")
    func broken() throws {
        let verdicts = Verdicts()
        let channel = try self.connect(NegotiationHandler(accepting: ["/a"]) { verdicts.all.append($0) })
        try channel.writeInbound(ByteBuffer(bytes: header + [0x00]))
        #expect(verdicts.all == [.failure(NegotiationError(.malformed, ""))])
        #expect(!channel.isActive)
        #expect(try self.outbound(channel) == header)
        #expect(try self.inbound(channel) == [])
    }

    @Test("A peer that closes in between fails the negotiation")
    func closed() throws {
        let verdicts = Verdicts()
        let channel = try self.connect(NegotiationHandler(accepting: ["/a"]) { verdicts.all.append($0) })
        try channel.writeInbound(ByteBuffer(bytes: header))
        _ = try channel.finish()
        #expect(verdicts.all == [.failure(NegotiationError(.unexpectedEnd, ""))])
    }

    @Test("An error of the channel fails the negotiation, once")
    func failedChannel() throws {
        let verdicts = Verdicts()
        let channel = try self.connect(NegotiationHandler(accepting: ["/a"]) { verdicts.all.append($0) })
        channel.pipeline.fireErrorCaught(ChannelError.inputClosed)
        #expect(throws: ChannelError.self) { try channel.throwIfErrorCaught() }
        _ = try channel.finish()
        #expect(verdicts.all == [.failure(NegotiationError(.unexpectedEnd, ""))])
    }
}
