import NIOCore
import NIOEmbedded
import NIOSSL
import P2PCore
import P2PIdentity
import P2PPipeline

@testable import P2PTLS

/// Our side on one embedded channel and a peer on another; the test carries the bytes.
final class Wire {
    let ours = EmbeddedChannel()
    let theirs = EmbeddedChannel()
    private(set) var result: Result<SecuredChannel, any Error>?
    private(set) var theirResult: Result<SecuredChannel, any Error>?
    let trace = Trace()

    /// - Parameter peer: the first handler of the peer's channel; nil when the test speaks for it.
    init(
        _ security: TLSSecurity, role: ConnectionRole, expecting: PeerID? = nil, muxers: [ProtocolID] = ["/yamux/1.0.0"],
        peer: (any ChannelHandler)? = nil
    ) throws {
        for channel in [self.ours, self.theirs] { try channel.connect(to: SocketAddress(unixDomainSocketPath: "/fake")).wait() }
        let promise = self.ours.eventLoop.makePromise(of: SecuredChannel.self)
        promise.futureResult.assumeIsolated().whenComplete { self.result = $0 }
        if role == .listener { self.secure(security, role, expecting, muxers, promise) }
        if let peer {
            try self.theirs.pipeline.syncOperations.addHandler(peer)
            try self.theirs.pipeline.syncOperations.addHandler(Swallow())
        }
        if role == .dialer { self.secure(security, role, expecting, muxers, promise) }
    }

    private func secure(
        _ security: TLSSecurity, _ role: ConnectionRole, _ expecting: PeerID?, _ muxers: [ProtocolID],
        _ promise: EventLoopPromise<SecuredChannel>
    ) {
        security.secure(self.ours, role: role, expecting: expecting, muxers: muxers, promise: promise)
        try? self.ours.pipeline.syncOperations.addHandler(self.trace)
    }

    /// Lets the peer be one of ours, too.
    func secureTheirs(_ security: TLSSecurity, role: ConnectionRole, expecting: PeerID? = nil, muxers: [ProtocolID] = ["/yamux/1.0.0"]) {
        let promise = self.theirs.eventLoop.makePromise(of: SecuredChannel.self)
        promise.futureResult.assumeIsolated().whenComplete { self.theirResult = $0 }
        security.secure(self.theirs, role: role, expecting: expecting, muxers: muxers, promise: promise)
    }

    deinit {
        for channel in [self.ours, self.theirs] {
            channel.close(promise: nil)
            channel.embeddedEventLoop.advanceTime(by: .seconds(10))
        }
    }

    static func outbound(of channel: EmbeddedChannel) -> [UInt8] {
        channel.embeddedEventLoop.run()
        var bytes: [UInt8] = []
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { bytes += buffer.readableBytesView }
        return bytes
    }

    static func deliver(_ bytes: [UInt8], to channel: EmbeddedChannel, pieceSize: Int = .max) {
        var rest = bytes[...]
        while !rest.isEmpty, channel.isActive {
            _ = try? channel.writeInbound(ByteBuffer(bytes: rest.prefix(pieceSize)))
            rest = rest.dropFirst(min(pieceSize, rest.count))
        }
        channel.embeddedEventLoop.run()
    }

    /// Carries bytes both ways until both are silent.
    func carry() {
        while true {
            let there = Self.outbound(of: self.theirs)
            Self.deliver(there, to: self.ours)
            let back = Self.outbound(of: self.ours)
            Self.deliver(back, to: self.theirs)
            if there.isEmpty, back.isEmpty { return }
        }
    }

    /// Why our side refused; nil when it didn't.
    var failure: TransportError? {
        guard case .failure(let error) = self.result else { return nil }
        return error as? TransportError
    }

    var reason: TLSError? { self.failure?.cause as? TLSError }
}

/// What reaches whoever stands behind our secure channel.
final class Trace: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var errors: [any Error] = []
    var bytes: [UInt8] = []
    var isInactive = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.bytes += self.unwrapInboundIn(data).readableBytesView }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.errors.append(error) }
    func channelInactive(context: ChannelHandlerContext) { self.isInactive = true }
}

/// A peer has no interest in its own errors.
final class Swallow: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

/// A peer that speaks TLS through the library, with whatever certificate and settings a test gives it.
struct Peer {
    var fault = Fault.none
    var protocols = ["libp2p"]
    var minimum = TLSVersion.tlsv13
    var maximum = TLSVersion.tlsv13

    func handler(role: ConnectionRole) async throws -> NIOSSLHandler {
        let (chain, key) = try await self.fault.bake()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = self.minimum
        configuration.maximumTLSVersion = self.maximum
        configuration.certificateVerification = .none
        configuration.applicationProtocols = self.protocols
        if !chain.isEmpty {
            configuration.certificateChain = try chain.map { .certificate(try NIOSSLCertificate(bytes: $0, format: .der)) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: key, format: .der))
        }
        let context = try NIOSSLContext(configuration: configuration)
        return role == .dialer ? try NIOSSLClientHandler(context: context, serverHostname: nil) : NIOSSLServerHandler(context: context)
    }
}
