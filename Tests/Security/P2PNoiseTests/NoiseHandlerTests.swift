import Crypto
import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline
import Testing

@testable import P2PNoise

/// The handshake on a channel.
@Suite struct NoiseHandlerTests {
    private let hosts: Hosts

    init() async throws {
        self.hosts = try await Hosts.make(dialerMetadata: [1], listenerMetadata: [2, 2])
    }

    @Test("Two hosts learn each other's ids, keys, metadata and common muxer", arguments: [Int.max, 1, 7])
    func meeting(step: Int) throws {
        let listener = try Side(self.hosts.listener, .listener, muxers: ["/mplex/6.7.0", "/yamux/1.0.0"])
        let dialer = try Side(
            self.hosts.dialer, .dialer, expecting: self.hosts.listenerID, muxers: ["/other/1", "/yamux/1.0.0", "/mplex/6.7.0"])
        try pump(dialer, listener, step: step)
        #expect(try dialer.secured.remotePeer == self.hosts.listenerID)
        #expect(try listener.secured.remotePeer == self.hosts.dialerID)
        #expect(PeerID(try dialer.secured.remoteKey) == self.hosts.listenerID)
        #expect(PeerID(try listener.secured.remoteKey) == self.hosts.dialerID)
        #expect(try dialer.secured.appMetadata == [2, 2])
        #expect(try listener.secured.appMetadata == [1])
        #expect(try dialer.secured.earlyMuxer == "/yamux/1.0.0")
        #expect(try listener.secured.earlyMuxer == "/yamux/1.0.0")

        try dialer.say([1, 2, 3])
        try listener.say([4, 5])
        try pump(dialer, listener, step: step)
        #expect(listener.text == [1, 2, 3])
        #expect(dialer.text == [4, 5])
        #expect(dialer.errors.isEmpty && listener.errors.isEmpty)
    }

    @Test("Without a common muxer none is early")
    func noCommonMuxer() throws {
        let listener = try Side(self.hosts.listener, .listener, muxers: ["/mplex/6.7.0"])
        let dialer = try Side(self.hosts.dialer, .dialer, muxers: ["/yamux/1.0.0"])
        try pump(dialer, listener)
        #expect(try dialer.secured.earlyMuxer == nil)
        #expect(try listener.secured.earlyMuxer == nil)
    }

    @Test("Records that arrive with the last message reach the handler that the promise installed")
    func promiseComesFirst() throws {
        let listener = try Side(self.hosts.listener, .listener)
        let dialer = try Side(self.hosts.dialer, .dialer)
        listener.receive(try dialer.sent())
        dialer.receive(try listener.sent())
        try dialer.say([1])
        try dialer.say([2])
        listener.receive(try dialer.sent())
        #expect(listener.log == ["secured", "record", "record"])
        #expect(listener.text == [1, 2])
    }

    @Test("The wrong listener is refused before the dialer shows who it is")
    func wrongListener() throws {
        let listener = try Side(self.hosts.listener, .listener)
        let dialer = try Side(self.hosts.dialer, .dialer, expecting: self.hosts.dialerID)
        listener.receive(try dialer.sent())
        dialer.receive(try listener.sent())
        #expect(dialer.refusal?.code == .peerMismatch)
        #expect(dialer.refusal?.message == "expected the peer \(self.hosts.dialerID), but \(self.hosts.listenerID) answered")
        #expect(try dialer.sent() == [])
        #expect(!dialer.channel.isActive)
        listener.end()
        #expect(listener.refusal?.code == .closed)
    }

    @Test("The wrong dialer is refused by a listener that expects somebody")
    func wrongDialer() throws {
        let listener = try Side(self.hosts.listener, .listener, expecting: self.hosts.listenerID)
        let dialer = try Side(self.hosts.dialer, .dialer)
        try pump(dialer, listener)
        #expect(listener.refusal?.code == .peerMismatch)
        #expect(!listener.channel.isActive)
    }

    @Test("A handshake cut at any byte ends with an error that says where")
    func cut() throws {
        let whole = try Side(self.hosts.listener, .listener)
        let dialer = try Side(self.hosts.dialer, .dialer)
        let first = try dialer.sent()
        whole.receive(first)
        let second = try whole.sent()
        dialer.receive(second)
        let third = try dialer.sent()
        #expect(first.count == 34)

        for length in 0..<second.count {
            let side = try Side(self.hosts.dialer, .dialer)
            side.receive(Array(second.prefix(length)))
            #expect(side.result == nil && side.channel.isActive)
            side.end()
            #expect(side.refusal?.code == .closed)
            let place =
                switch length {
                case 0: "before the handshake was done"
                case 1: "within the length of a handshake message"
                default: "after \(length - 2) of \(second.count - 2) bytes of a handshake message"
                }
            #expect(side.refusal?.message == "Noise: the connection ended \(place)")
        }
        for length in 0..<third.count {
            let side = try Side(self.hosts.listener, .listener)
            side.receive(first)
            side.receive(Array(third.prefix(length)))
            side.end()
            #expect(side.refusal?.code == .closed)
        }
    }

    @Test("Handshake messages of length zero, too short, or of garbage are refused")
    func garbage() throws {
        for (bytes, code) in [
            ([0, 0], NoiseError.Code.messageTooShort),
            ([0, 31] + [UInt8](repeating: 1, count: 31), .messageTooShort),
            ([0, 32] + [UInt8](repeating: 0, count: 32), .lowOrderKey),
        ] {
            let side = try Side(self.hosts.listener, .listener)
            side.receive(bytes)
            #expect(side.refusal?.code == .securityFailed)
            #expect((side.refusal?.cause as? NoiseError)?.code == code)
            #expect(!side.channel.isActive)
        }
        let side = try Side(self.hosts.dialer, .dialer)
        side.receive([0, 200] + [UInt8](repeating: 3, count: 200))
        #expect((side.refusal?.cause as? NoiseError)?.code == .authenticationFailed)
    }

    @Test("The first message may carry a payload of any size, which is ignored")
    func firstPayload() throws {
        let side = try Side(self.hosts.listener, .listener)
        side.receive([0xff, 0xff] + DiffieHellmanKey().publicKey + [UInt8](repeating: 0, count: 65_535 - 32))
        #expect(side.result == nil)
        #expect(try side.sent().count > 96)
    }

    @Test("A replayed handshake is refused")
    func replay() throws {
        let listener = try Side(self.hosts.listener, .listener)
        let dialer = try Side(self.hosts.dialer, .dialer)
        let first = try dialer.sent()
        listener.receive(first)
        dialer.receive(try listener.sent())
        let third = try dialer.sent()
        listener.receive(third)
        _ = try listener.secured

        let again = try Side(self.hosts.listener, .listener)
        again.receive(first)
        again.receive(third)
        #expect((again.refusal?.cause as? NoiseError)?.code == .authenticationFailed)
    }

    @Test("Nothing can be written before the handshake is done, and the attempt harms nothing")
    func early() throws {
        let listener = try Side(self.hosts.listener, .listener)
        let dialer = try Side(self.hosts.dialer, .dialer)
        let attempt = dialer.channel.writeAndFlush(ByteBuffer(bytes: [1]))
        #expect(throws: NoiseError(.outOfTurn, "")) { try attempt.wait() }
        try pump(dialer, listener)
        #expect(try listener.secured.remotePeer == self.hosts.dialerID)
    }

    @Test("Closing the channel during the handshake fails the promise")
    func closed() throws {
        let side = try Side(self.hosts.dialer, .dialer)
        side.channel.close(promise: nil)
        #expect(side.refusal?.code == .closed)
    }

    @Test("A broken channel fails the promise with what broke it")
    func broken() throws {
        let side = try Side(self.hosts.dialer, .dialer)
        side.channel.pipeline.fireErrorCaught(ChannelError.connectTimeout(.seconds(1)))
        #expect(side.refusal?.code == .closed)
        #expect((side.refusal?.cause as? NoiseError)?.cause is ChannelError)
    }

    @Test("A channel that is closed already gives an error instead of a handshake")
    func tooLate() throws {
        let channel = EmbeddedChannel()
        _ = try channel.finish()
        let promise = channel.eventLoop.makePromise(of: SecuredChannel.self)
        var code: TransportError.Code?
        promise.futureResult.assumeIsolated().whenFailure { code = ($0 as? TransportError)?.code }
        self.hosts.dialer.secure(channel, role: .dialer, expecting: nil, muxers: [], promise: promise)
        channel.embeddedEventLoop.run()
        channel.pipeline.fireChannelInactive()
        #expect(code == .closed)
    }

    @Test("A channel that becomes active later begins then")
    func later() throws {
        let channel = EmbeddedChannel()
        let promise = channel.eventLoop.makePromise(of: SecuredChannel.self)
        self.hosts.dialer.secure(channel, role: .dialer, expecting: nil, muxers: [], promise: promise)
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        #expect(try channel.readOutbound(as: ByteBuffer.self)?.readableBytes == 34)
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        channel.close(promise: nil)
    }
}
