import NIOCore
import P2PCore

/// The end of a connection.
extension MuxerConformance {
    /// What the side sees that did not close.
    private static let endings: [ConnectionError.Code] = [.closedByPeer, .lost]

    func closesAtOnce(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let reading = Task {
            try await demandError(StreamError.self, [.connectionLost, .reset], "a read on the connection that the peer closed") {
                _ = try await acceptor.read()
            }
        }
        await pair.dialer.close(.shutdown, grace: .zero)
        try await reading.value
        try await demandError(StreamError.self, [.connectionLost, .reset], "a read on a connection that this side closed") {
            _ = try await opener.read()
        }
        try await demandError(ConnectionError.self, [.closed], "a stream on a connection that this side closed") {
            _ = try await pair.dialer.openStream()
        }
        var ours = pair.dialer.inboundStreams.makeAsyncIterator()
        while let stream = try await ours.next() { stream.reset() }
        try await demandError(ConnectionError.self, Self.endings, "the streams of the side that was closed") {
            while true { _ = try await Self.accept(pair.listener) }
        }
        try await demandError(ConnectionError.self, Self.endings, "a stream on a connection that the peer closed") {
            _ = try await pair.listener.openStream()
        }
    }

    func closesWithGrace(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let closing = Task { await pair.listener.close(.shutdown, grace: .seconds(600)) }
        // The goodbye arrives, and no new stream is opened any more.
        while true {
            do throws(ConnectionError) {
                let late = try await pair.dialer.openStream()
                late.reset()
            } catch {
                try demand(error.code, is: .goingAway, "a stream after the peer's goodbye")
                break
            }
            try await Self.pause()
        }
        try await demandError(ConnectionError.self, [.closed], "a stream after our own goodbye") {
            _ = try await pair.listener.openStream()
        }
        try await self.endsInPeace(pair, opener, acceptor)
        await closing.value
    }

    /// What lives when its connection begins to close may go on to its end; then the connection is over.
    private func endsInPeace(_ pair: Pair, _ opener: PeerStream, _ acceptor: PeerStream) async throws {
        try await acceptor.write(text: "last words")
        try await acceptor.finish()
        try demand(try await opener.readText(upTo: 100), is: "last words", "a stream that outlives the goodbye")
        try await opener.finish()
        try demand(try await acceptor.read(), is: nil, "its end")
        try await demandError(ConnectionError.self, Self.endings, "the streams of the side that was closed") {
            _ = try await Self.accept(pair.dialer)
        }
    }

    /// Without a goodbye, the side that closes refuses new streams one by one.
    func closesSilently(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let closing = Task { await pair.listener.close(.shutdown, grace: .seconds(600)) }
        while true {
            do throws(ConnectionError) {
                try await pair.listener.openStream().reset()
            } catch {
                try demand(error.code, is: .closed, "a stream of the side that closes")
                break
            }
            try await Self.pause()
        }
        let late = try await pair.dialer.openStream()
        try await demandError(StreamError.self, [.reset], "a new stream to the side that closes") {
            try await late.write(bytes: [1])
            _ = try await late.read()
        }
        try await self.endsInPeace(pair, opener, acceptor)
        await closing.value
    }

    func closesTwice(_ pair: Pair) async throws {
        async let one: Void = pair.dialer.close(.normal, grace: .zero)
        async let two: Void = pair.dialer.close(.normal, grace: .seconds(600))
        _ = await (one, two)
        await pair.dialer.close(.normal, grace: .zero)
        await pair.listener.close(.normal, grace: .zero)
    }
}
