import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import Testing

@testable import P2PWebSocket

/// Listens on a shared port while `body` runs; arrivals of libp2p go to the inbox.
func withPort(
    _ handler: (any WebHandler)?, showing certificate: CertificateFiles? = nil, origins: [String]? = nil, limits: WebLimits = WebLimits(),
    over carrier: any ByteTransport = TCPTransport(), gater: any ConnectionGater = OpenGater(),
    _ body: @escaping @Sendable ([Multiaddr], Inbox<ByteChannel, Never>) async throws -> Void
) async throws {
    var configuration = WebSocketConfiguration()
    configuration.handler = handler
    configuration.allowedOrigins = origins
    configuration.limits = limits
    configuration.tls.certificate = certificate.map { .init(chainFile: $0.chain, keyFile: $0.key) }
    let listener = try await SharedPortTransport(over: carrier, configuration: configuration, gater: gater)
        .bind(to: Multiaddr("/ip4/127.0.0.1/tcp/0"))
    let arrivals = Inbox<ByteChannel, Never>(limit: 8)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            try await listener.run { bytes in
                if arrivals.offer(bytes) { try? await bytes.channel.closeFuture.get() }
            }
        }
        try await body(listener.addresses, arrivals)
        group.cancelAll()
    }
}

/// A TCP connection to the port of an address.
func connect(_ address: Multiaddr) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
    let port = try #require(address.tcpEndpoint?.port)
    return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(host: "127.0.0.1", port: Int(port)) { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
        }
}

/// Sends bytes over TCP, in pieces of `step`, and returns what comes back, up to `count` bytes or the end.
func ask(_ address: Multiaddr, _ text: String, count: Int = .max, step: Int = .max) async throws -> String {
    try await ask(address, ByteBuffer(string: text), count: count, step: step)
}

/// The same with bytes that are no text.
func ask(_ address: Multiaddr, _ bytes: ByteBuffer, count: Int = .max, step: Int = .max) async throws -> String {
    try await connect(address).executeThenClose { inbound, outbound in
        var rest = bytes
        while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
            try await outbound.write(piece)
        }
        var answer = ""
        for try await bytes in inbound {
            answer += String(buffer: bytes)
            if answer.utf8.count >= count { break }
        }
        return answer
    }
}

/// Runs a channel's preparations.
func prepared(_ bytes: ByteChannel) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
    let channel = bytes.channel
    let promise = channel.eventLoop.makePromise(of: NIOAsyncChannel<ByteBuffer, ByteBuffer>.self)
    try await channel.eventLoop.submit {
        prepare(channel, bytes.preparations[...]) { result in
            promise.completeWith(result.flatMap { Result { try NIOAsyncChannel(wrappingChannelSynchronously: channel) } })
        }
        try channel.syncOptions?.setOption(.autoRead, value: true)
    }.get()
    return try await promise.futureResult.get()
}

/// One preparation after the other, as an upgrade does; on the event loop.
func prepare(
    _ channel: any Channel, _ preparations: ArraySlice<any ChannelPreparation>, _ done: @escaping (Result<Void, any Error>) -> Void
) {
    guard let next = preparations.first else { return done(.success(())) }
    let prepared = channel.eventLoop.makePromise(of: Void.self)
    prepared.futureResult.assumeIsolated().whenComplete { result in
        guard case .success = result else { return done(result) }
        prepare(channel, preparations.dropFirst(), done)
    }
    next.prepare(channel, promise: prepared)
}
