import NIOCore
import NIOEmbedded
import P2PCore
import P2PMemory
import P2PProtocolTesting
import Testing

@testable import P2PTunnels
@testable import P2PWebSocket

@Suite("A page that is joined with a stream", .timeLimit(.minutes(1)))
struct TunnelGatewayTests {
    @Test(
        "It gets all that a peer had said to the end which is gone, also while it sends; a part ends it with an error",
        arguments: [true, false])
    func peerIsGone(isWhole: Bool) async throws {
        let (near, far) = MemoryStreamPair.connected(window: 1 << 20)
        let (inbound, typed) = NIOAsyncChannelInboundStream<ByteBuffer>.makeTestingStream()
        let (outbound, shown) = NIOAsyncChannelOutboundWriter<ByteBuffer>.makeTestingWriter()
        let page = WebByteStream(inbound: inbound, outbound: outbound, closed: EmbeddedEventLoop().makeSucceededVoidFuture())
        let body = ByteBuffer(bytes: (0..<500_000).map { UInt8(truncatingIfNeeded: $0 % 251) })
        try await far.write(body)
        if isWhole { try await far.finish() }
        while near.muxed.unreadBytes < body.readableBytes { try await Task.sleep(for: .milliseconds(5)) }
        near.muxed.fail(StreamError(.connectionLost, "gone"))
        for _ in 0..<10 { typed.yield(ByteBuffer(string: "still here")) }
        let code = await errorCode { try await TunnelGateway.join(page, near) }
        outbound.finish()
        var all = ByteBuffer()
        for await bytes in shown { all.writeImmutableBuffer(bytes) }
        #expect(code == (isWhole ? nil : .connectionLost))
        if isWhole { #expect(all == body) }
    }
}
