#if QUIC
    import NIOCore
    import P2PCore
    import P2PMuxing
    import P2PProtocolTesting
    import Testing

    @testable import P2PQUIC

    @Suite("What writers over QUIC hear of a peer that reads no more", .timeLimit(.minutes(1)))
    struct QUICStreamEndTests {
        @Test(
            "A stream that ends while it has no credit fails for whoever waits to write it, or for its end to have left",
            arguments: [true, false])
        func withoutCredit(isFinishing: Bool) async throws {
            let pair = try await QUICNode().connect(to: try await QUICNode())
            let writer = try await pair.dialer.openStream()
            // More than the window, and as much as may wait here on top of it or a little more.
            let size = isFinishing ? 400_000 : 4_000_000
            let writing = Task { () -> StreamError.Code? in
                await errorCode {
                    try await writer.write(bytes: [UInt8](repeating: 1, count: size))
                    try await writer.finish()
                }
            }
            var streams = pair.listener.inboundStreams.makeAsyncIterator()
            let reader = try #require(try await streams.next())
            while try await pair.dialer.fromSession({ session in session.streams.opened.contains { $0.stream.isBlocked } }) != true {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(writer.muxed.waitingBytes > 0 || isFinishing)
            try await PeerStream(reader.muxed).finish()
            reader.stopReading()
            #expect(await writing.value == .reset)
            await pair.dialer.close(.normal, grace: .zero)
            await pair.listener.close(.normal, grace: .zero)
        }
    }
#endif
