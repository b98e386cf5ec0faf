import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PPipeline
import Testing

@testable import P2PNoise

/// One side of a connection: a host's identity, and a channel with what came out of it.
final class Side {
    let channel = EmbeddedChannel()
    private(set) var result: Result<SecuredChannel, any Error>?
    private(set) var received: [ByteBuffer] = []
    /// What the pipeline said, in order.
    private(set) var log: [String] = []
    private(set) var errors: [any Error] = []

    init(_ security: NoiseSecurity, _ role: ConnectionRole, expecting peer: PeerID? = nil, muxers: [ProtocolID] = []) throws {
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let promise = self.channel.eventLoop.makePromise(of: SecuredChannel.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.result = result
            self.log.append("secured")
            try? self.channel.pipeline.syncOperations.addHandler(Sink(side: self))
        }
        security.secure(self.channel, role: role, expecting: peer, muxers: muxers, promise: promise)
    }

    var secured: SecuredChannel { get throws { try #require(self.result).get() } }
    var noiseError: NoiseError? { self.errors.first as? NoiseError }
    var refusal: TransportError? {
        guard case .failure(let error) = self.result else { return nil }
        return error as? TransportError
    }
    var text: [UInt8] { self.received.flatMap { Array($0.readableBytesView) } }

    /// Everything that this side has sent since the last call.
    func sent() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try self.channel.readOutbound(as: ByteBuffer.self) { bytes.append(contentsOf: buffer.readableBytesView) }
        return bytes
    }

    func receive(_ bytes: [UInt8]) {
        do {
            try self.channel.writeInbound(ByteBuffer(bytes: bytes))
        } catch {
            if self.errors.isEmpty { self.errors.append(error) }
        }
    }

    /// The peer's end of file.
    func end() {
        do {
            _ = try self.channel.finish(acceptAlreadyClosed: true)
        } catch {
            if self.errors.isEmpty { self.errors.append(error) }
        }
    }

    func say(_ bytes: [UInt8]) throws {
        try self.channel.writeOutbound(ByteBuffer(bytes: bytes))
    }

    private final class Sink: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let side: Side

        init(side: Side) { self.side = side }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.side.received.append(self.unwrapInboundIn(data))
            self.side.log.append("record")
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            self.side.errors.append(error)
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.side.log.append("inactive")
        }
    }
}

/// Carries what each side sends to the other, `step` bytes at a time, until both are quiet.
func pump(_ first: Side, _ second: Side, step: Int = .max) throws {
    while true {
        let forth = try first.sent()
        for piece in pieces(forth, step) { second.receive(piece) }
        let back = try second.sent()
        for piece in pieces(back, step) { first.receive(piece) }
        if forth.isEmpty && back.isEmpty { return }
    }
}

func pieces(_ bytes: [UInt8], _ step: Int) -> [[UInt8]] {
    guard step < bytes.count else { return bytes.isEmpty ? [] : [bytes] }
    return stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) }
}

/// Two hosts with Ed25519 identities.
struct Hosts {
    let dialer, listener: NoiseSecurity
    let dialerID, listenerID: PeerID

    static func make(dialerMetadata: [UInt8] = [], listenerMetadata: [UInt8] = []) async throws -> Hosts {
        let keys = (try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519))
        return Hosts(
            dialer: try await NoiseSecurity.make(identity: keys.0, metadata: dialerMetadata),
            listener: try await NoiseSecurity.make(identity: keys.1, metadata: listenerMetadata),
            dialerID: PeerID(keys.0.publicKey), listenerID: PeerID(keys.1.publicKey))
    }

    /// Two sides whose handshake is done.
    func connected() throws -> (dialer: Side, listener: Side) {
        let listener = try Side(self.listener, .listener)
        let dialer = try Side(self.dialer, .dialer)
        try pump(dialer, listener)
        _ = try (dialer.secured, listener.secured)
        return (dialer, listener)
    }
}
