import NIOCore
import NIOEmbedded
import P2PCore
import P2PNegotiation
import P2PPipeline
import Testing

@testable import P2PPrivateNetwork

#if Sodium
    @Suite("A private network on a channel")
    struct PrivateNetworkHandlerTests {
        private let key = PreSharedKey.generate()
        private let greeting = Array(NegotiationTable.header.readableBytesView)

        @Test("What one side writes the other reads, in pieces of any size, both ways", arguments: [1, 7, 24, Int.max])
        func both(step: Int) throws {
            let (dialer, listener) = (try Member(self.key), try Member(self.key))
            for (from, to) in [(dialer, listener), (listener, dialer)] {
                try from.channel.writeOutbound(ByteBuffer(bytes: self.greeting))
                try from.channel.writeOutbound(ByteBuffer(string: "hello"))
                let wire = try from.sent()
                #expect(wire.count == 24 + self.greeting.count + 5)
                try to.receive(wire, step: step)
                #expect(try to.heard() == self.greeting + Array("hello".utf8))
                #expect(to.errors.isEmpty && to.channel.isActive)
            }
        }

        @Test("Nothing leaves before the first write, and nonce and first bytes leave together")
        func quiet() throws {
            let member = try Member(self.key)
            try member.channel.writeOutbound(ByteBuffer())
            #expect(try member.sent().isEmpty)
            try member.channel.writeOutbound(ByteBuffer(bytes: [1]))
            #expect(try member.sent().count == 25)
        }

        @Test("A write is done when its bytes have left")
        func promise() throws {
            let member = try Member(self.key)
            let written = member.channel.write(ByteBuffer(bytes: self.greeting))
            var isDone = false
            written.assumeIsolated().whenSuccess { isDone = true }
            #expect(!isDone)
            member.channel.flush()
            #expect(isDone)
        }

        @Test("A read that brought nonce alone is asked for again")
        func asksAgain() throws {
            let counter = ReadCounter()
            let member = try Member(self.key, below: counter)
            let before = counter.count
            member.channel.pipeline.fireChannelRead(ByteBuffer(repeating: 7, count: 24))
            member.channel.pipeline.fireChannelReadComplete()
            #expect(counter.count == before + 1)
        }

        @Test("A peer with another key ends the channel with an error that the upgrade passes on")
        func wrongKey() throws {
            let (stranger, member) = (try Member(.generate()), try Member(self.key))
            try stranger.channel.writeOutbound(ByteBuffer(bytes: self.greeting))
            try member.receive(try stranger.sent())
            #expect(member.errors.map { ($0 as? TransportError)?.code } == [.protectionFailed])
            #expect(((member.errors.first as? TransportError)?.cause as? PrivateNetworkError)?.code == .keyMismatch)
            #expect(!member.channel.isActive)
            #expect(try member.heard().isEmpty && member.sent().isEmpty)
        }

        @Test("An end, half or whole, before the peer has shown its key is an error")
        func ends() throws {
            for isHalf in [true, false] {
                let member = try Member(self.key)
                try member.receive([1, 2, 3])
                if isHalf {
                    member.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
                } else {
                    member.channel.close(promise: nil)
                }
                let error = try #require(member.errors.first as? TransportError)
                #expect(error.code == .closed)
                #expect(error.message.contains("after 3 of the 24 bytes of its nonce"))
                #expect(member.errors.count == 1 && !member.channel.isActive)
            }
        }

        @Test("What breaks the channel is told as it is, once the peer has shown its key")
        func breaks() throws {
            let member = try Member(self.key)
            member.channel.pipeline.fireErrorCaught(ChannelError.connectTimeout(.seconds(1)))
            #expect((member.errors.first as? TransportError)?.code == .closed)

            let (peer, other) = (try Member(self.key), try Member(self.key))
            try peer.channel.writeOutbound(ByteBuffer(bytes: self.greeting))
            try other.receive(try peer.sent())
            other.channel.pipeline.fireErrorCaught(ChannelError.connectTimeout(.seconds(1)))
            #expect(other.errors.first is ChannelError)
            #expect(other.channel.isActive)
        }
    }

    /// A member's channel, and what came out of it.
    private final class Member {
        let channel = EmbeddedChannel()
        private(set) var errors: [any Error] = []

        init(_ key: PreSharedKey, below counter: ReadCounter? = nil) throws {
            try self.channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait()
            if let counter { try self.channel.pipeline.syncOperations.addHandler(counter) }
            try PrivateNetwork(key: key).protect(self.channel, role: .dialer)
            try self.channel.pipeline.syncOperations.addHandler(ErrorSink { self.errors.append($0) })
        }

        func receive(_ bytes: [UInt8], step: Int = .max) throws {
            var rest = ByteBuffer(bytes: bytes)
            while rest.readableBytes > 0, let piece = rest.readSlice(length: min(step, rest.readableBytes)) {
                try self.channel.writeInbound(piece)
            }
        }

        func sent() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let buffer = try self.channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
            return bytes
        }

        func heard() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let buffer = try self.channel.readInbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
            return bytes
        }
    }

    private final class ErrorSink: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let onError: (any Error) -> Void

        init(_ onError: @escaping (any Error) -> Void) { self.onError = onError }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.onError(error) }
    }

    private final class ReadCounter: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private(set) var count = 0

        func read(context: ChannelHandlerContext) {
            self.count += 1
            context.read()
        }
    }
#endif
