import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline
import Testing

@testable import P2PPlaintext

@Suite("The plaintext handler")
struct PlaintextHandlerTests {
    /// One side on an embedded channel.
    private final class Side {
        let channel = EmbeddedChannel()
        private(set) var result: Result<SecuredChannel, any Error>?

        init(_ key: PublicKey, _ role: ConnectionRole, expecting peer: PeerID? = nil) throws {
            try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            let promise = self.channel.eventLoop.makePromise(of: SecuredChannel.self)
            promise.futureResult.assumeIsolated().whenComplete { self.result = $0 }
            PlaintextSecurity(insecurelyClaiming: key).secure(
                self.channel, role: role, expecting: peer, muxers: ["/yamux/1.0.0"], promise: promise)
        }

        var secured: SecuredChannel { get throws { try #require(self.result).get() } }
        var refusal: TransportError? {
            guard case .failure(let error) = self.result else { return nil }
            return error as? TransportError
        }

        func sent() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let piece = try self.channel.readOutbound(as: ByteBuffer.self) { bytes += piece.readableBytesView }
            return bytes
        }

        func received() throws -> [UInt8] {
            var bytes: [UInt8] = []
            while let piece = try self.channel.readInbound(as: ByteBuffer.self) { bytes += piece.readableBytesView }
            return bytes
        }

        func receive(_ bytes: [UInt8], piece: Int = .max) {
            var rest = ByteBuffer(bytes: bytes)
            while rest.readableBytes > 0, self.channel.isActive, let part = rest.readSlice(length: min(piece, rest.readableBytes)) {
                _ = try? self.channel.writeInbound(part)
            }
        }
    }

    private static func keys() throws -> (PublicKey, PublicKey) {
        (try PrivateKey.generate(.ed25519).publicKey, try PrivateKey.generate(.ed25519).publicKey)
    }

    @Test("Both sides speak at once, learn each other's key, and bytes pass unchanged", arguments: [1, .max])
    func exchanges(piece: Int) throws {
        let (one, two) = try Self.keys()
        let dialer = try Side(one, .dialer, expecting: PeerID(two))
        let listener = try Side(two, .listener)
        let (forth, back) = (try dialer.sent(), try listener.sent())
        #expect(!forth.isEmpty && !back.isEmpty)
        listener.receive(forth + Array("early".utf8), piece: piece)
        dialer.receive(back, piece: piece)
        #expect(try dialer.secured.remotePeer == PeerID(two))
        #expect(try listener.secured.remoteKey == one)
        #expect(try dialer.secured.earlyMuxer == nil)
        #expect(try listener.received() == Array("early".utf8))
        let records = try dialer.secured.records
        var record = records.makeRecord(payload: 3)
        record.writeString("abc")
        records.write(record, promise: nil)
        records.flush()
        #expect(try dialer.sent() == Array("abc".utf8))
        dialer.receive(Array("def".utf8))
        #expect(try dialer.received() == Array("def".utf8))
    }

    @Test("Another peer than the expected one closes the channel with the reason")
    func wrongPeer() throws {
        let (one, two) = try Self.keys()
        let dialer = try Side(one, .dialer, expecting: PeerID(one))
        let listener = try Side(two, .listener)
        dialer.receive(try listener.sent())
        #expect(dialer.refusal?.code == .peerMismatch)
        #expect(!dialer.channel.isActive)
        dialer.receive(Array("more".utf8))
    }

    @Test("Garbage closes the channel with the reason")
    func garbage() throws {
        let side = try Side(try Self.keys().0, .listener)
        side.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8) + [UInt8](repeating: 0, count: 100))
        #expect(side.refusal?.code == .securityFailed)
        #expect((side.refusal?.cause as? PlaintextError)?.code == .malformed)
        #expect(!side.channel.isActive)
    }

    @Test("A peer that closes at any byte of the exchange is an error, never a connection")
    func cut() throws {
        let (one, two) = try Self.keys()
        let message = try Side(one, .dialer).sent()
        for length in 0..<message.count {
            let side = try Side(two, .listener)
            side.receive(Array(message.prefix(length)))
            #expect(side.result == nil)
            side.channel.close(promise: nil)
            side.channel.embeddedEventLoop.run()
            #expect(side.refusal?.code == .closed)
        }
    }

    @Test("A half-close in the middle of the exchange is an error")
    func halfClose() throws {
        let side = try Side(try Self.keys().0, .listener)
        side.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(side.refusal?.code == .closed)
        #expect(!side.channel.isActive)
    }

    @Test("A channel that takes no handler is an error")
    func closedChannel() throws {
        let channel = EmbeddedChannel()
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
        let promise = channel.eventLoop.makePromise(of: SecuredChannel.self)
        PlaintextSecurity(insecurelyClaiming: try Self.keys().0).secure(
            channel, role: .dialer, expecting: nil, muxers: [], promise: promise)
        var refusal: (any Error)?
        promise.futureResult.assumeIsolated().whenFailure { refusal = $0 }
        #expect((refusal as? TransportError)?.code == .closed)
    }
}
