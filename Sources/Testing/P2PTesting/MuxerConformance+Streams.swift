import NIOCore
import P2PCore

/// One stream: beginning, half-closes, resets.
extension MuxerConformance {
    /// The next stream that a side is offered.
    static func accept(_ connection: any MuxedConnection) async throws -> PeerStream {
        var streams = connection.inboundStreams.makeAsyncIterator()
        guard let stream = try await streams.next() else { throw ConformanceFailure("the streams ended before the connection") }
        return stream
    }

    /// A stream whose both ends are at hand, after one byte.
    static func open(_ pair: Pair, from role: ConnectionRole = .dialer) async throws -> (opener: PeerStream, acceptor: PeerStream) {
        let opener = try await (role == .dialer ? pair.dialer : pair.listener).openStream()
        try await opener.write(bytes: [0x2a])
        let acceptor = try await Self.accept(role == .dialer ? pair.listener : pair.dialer)
        try demand(try await acceptor.readExactly(1), is: ByteBuffer(bytes: [0x2a]), "the first byte of a stream")
        return (opener, acceptor)
    }

    /// Reads a stream to its end.
    static func drain(_ stream: PeerStream) async throws -> Int {
        var count = 0
        while let bytes = try await stream.read() { count += bytes.readableBytes }
        return count
    }

    func opensFromBothSides(_ pair: Pair) async throws {
        for role in [ConnectionRole.dialer, .listener, .dialer] {
            let (opener, acceptor) = try await Self.open(pair, from: role)
            try await acceptor.write(text: "answer")
            try demand(try await opener.readExactly(6), is: ByteBuffer(string: "answer"), "the answer on a stream of the \(role)")
            try await opener.finish()
            try await acceptor.finish()
        }
    }

    func showsNothingBeforeTheFirstBytes(_ pair: Pair) async throws {
        let silent = try await pair.dialer.openStream()
        let (opener, _) = try await Self.open(pair)
        opener.reset()
        try await silent.write(bytes: [1])
        let acceptor = try await Self.accept(pair.listener)
        try demand(try await acceptor.readExactly(1), is: ByteBuffer(bytes: [1]), "the stream that was silent at first")
    }

    func halfCloses(_ pair: Pair, first: ConnectionRole) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let (early, late) = first == .dialer ? (opener, acceptor) : (acceptor, opener)
        try await early.write(text: "early")
        try await early.finish()
        try demand(try await late.readToEnd(upTo: 100), is: Array("early".utf8), "what was sent before the half-close")
        try await demandError(StreamError.self, [.finished], "writing after the half-close") { try await early.write(bytes: [1]) }
        try await late.write(text: "late")
        try await late.finish()
        try demand(try await early.readToEnd(upTo: 100), is: Array("late".utf8), "what came after our half-close")
        try demand(try await early.read(), is: nil, "reading on after the end")
    }

    func halfClosesBothAtOnce(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        async let one: Void = opener.finish()
        async let two: Void = acceptor.finish()
        try await one
        try await two
        try demand(try await opener.read(), is: nil, "the end at the opener")
        try demand(try await acceptor.read(), is: nil, "the end at the acceptor")
    }

    func deliversBeforeTheEnd(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let body = [UInt8](repeating: 7, count: 100_000)
        try await opener.write(bytes: body)
        try await opener.finish()
        try demand(try await acceptor.readToEnd(upTo: 200_000), is: body, "what was buffered when the peer finished")
    }

    func finishesWithoutBytes(_ pair: Pair) async throws {
        let opener = try await pair.dialer.openStream()
        try await opener.finish()
        let acceptor = try await Self.accept(pair.listener)
        try demand(try await acceptor.read(), is: nil, "a stream of no bytes")
        try await acceptor.write(text: "yes?")
        try await acceptor.finish()
        try demand(try await opener.readToEnd(upTo: 10), is: Array("yes?".utf8), "the answer to a stream of no bytes")
    }

    private func demandReset(by resetter: PeerStream, seenBy other: PeerStream) async throws {
        let reading = Task {
            try await demandError(StreamError.self, [.reset], "the read of the side that was reset") {
                while try await other.read() != nil {}
            }
        }
        resetter.reset(.rateLimited)
        try await reading.value
        try await demandError(StreamError.self, [.reset], "the read of the side that reset") { _ = try await resetter.read() }
        try await demandError(StreamError.self, [.reset], "the write of the side that reset") { try await resetter.write(bytes: [1]) }
        try await demandError(StreamError.self, [.reset], "the write of the side that was reset") { try await other.write(bytes: [1]) }
    }

    func resetsFromTheOpener(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        try await self.demandReset(by: opener, seenBy: acceptor)
        _ = try await Self.open(pair)
    }

    func resetsFromTheAcceptor(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        try await self.demandReset(by: acceptor, seenBy: opener)
        _ = try await Self.open(pair)
    }

    func resetsWhatIsLetGo(_ pair: Pair) async throws {
        let opener: PeerStream
        do {
            let (near, far) = try await Self.open(pair)
            opener = near
            withExtendedLifetime(far) {}
        }
        try await demandError(StreamError.self, [.reset], "a read after the peer let go of the stream") { _ = try await opener.read() }
    }

    func discardsAfterStopReading(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        acceptor.stopReading()
        try await demandError(StreamError.self, [.stoppedReading], "reading after stopReading") { _ = try await acceptor.read() }
        // More than any window: it flows because it is discarded.
        try await opener.write(ByteBuffer(repeating: 0, count: 4 << 20))
        async let finished: Void = opener.finish()
        try await acceptor.write(text: "still writing")
        // Were the acceptor to finish before all that has left, nobody would be interested in the stream, and it might be reset.
        try await finished
        try await acceptor.finish()
        try demand(try await opener.readText(upTo: 100), is: "still writing", "what a side writes that has stopped reading")
    }

    func survivesCancelledReads(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        for _ in 0..<20 {
            let reading = Task { try await acceptor.read() }
            await Task.yield()
            reading.cancel()
            if case .failure(let error) = await reading.result {
                try demand((error as? StreamError)?.code, is: .cancelled, "a cancelled read")
            }
        }
        try await opener.write(text: "and on")
        try await opener.finish()
        try demand(try await acceptor.readText(upTo: 10), is: "and on", "what comes after a cancelled read")
    }
}
