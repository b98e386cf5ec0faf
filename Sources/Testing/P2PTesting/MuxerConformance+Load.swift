public import NIOCore
public import P2PCore

/// Many bytes and many streams.
extension MuxerConformance {
    /// Numbers as bytes, so that whatever is lost, doubled or swapped shows.
    public static func pattern(_ count: Int, seed: Int = 0) -> ByteBuffer {
        var bytes = ByteBuffer(bytes: (0..<min(count, 4_099)).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 31 &+ ($0 >> 8)) })
        while bytes.readableBytes < count {
            let more = bytes.getSlice(at: bytes.readerIndex, length: min(bytes.readableBytes, count - bytes.readableBytes))
            bytes.writeImmutableBuffer(more ?? ByteBuffer())
        }
        return bytes
    }

    /// Echoes every stream that a side is offered until the connection ends.
    public static func echo(_ connection: any MuxedConnection) async {
        await withDiscardingTaskGroup { group in
            var streams = connection.inboundStreams.makeAsyncIterator()
            while let stream = try? await streams.next() {
                group.addTask {
                    do {
                        while let bytes = try await stream.read() { try await stream.write(bytes) }
                        try await stream.finish()
                    } catch {
                        stream.reset()
                    }
                }
            }
        }
    }

    /// Sends bytes to an echo and takes them back.
    public static func roundTrip(_ stream: PeerStream, _ body: ByteBuffer) async throws {
        async let sent: Void = {
            try await stream.write(body)
            try await stream.finish()
        }()
        let back = try await stream.readToEnd(upTo: body.readableBytes)
        try await sent
        try demand(ByteBuffer(bytes: back) == body, "an echo of \(body.readableBytes) bytes came back changed")
    }

    /// Runs the body while the listener echoes, and stops the echo afterwards.
    private func withEcho(_ pair: Pair, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let listener = pair.listener
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await Self.echo(listener) }
            defer { group.cancelAll() }
            try await body()
        }
    }

    func holdsBackForASlowReader(_ pair: Pair) async throws {
        let (slow, sleeping) = try await Self.open(pair)
        let (bulk, isOver) = (self.bulk, Signal())
        let writing = Task {
            defer { isOver.fire() }
            let chunk = ByteBuffer(repeating: 1, count: 64 * 1_024)
            for _ in 0..<(bulk / chunk.readableBytes) { try await slow.write(chunk) }
            try await slow.finish()
        }
        defer { writing.cancel() }
        // Nobody reads `sleeping`; another stream goes on as if it were alone.
        let (opener, acceptor) = try await Self.open(pair)
        async let received = Self.drain(acceptor)
        let chunk = ByteBuffer(repeating: 2, count: 64 * 1_024)
        for _ in 0..<(bulk / chunk.readableBytes) { try await opener.write(chunk) }
        try await opener.finish()
        try demand(try await received, is: bulk, "bytes of the stream that is read")
        while !slow.muxed.isWriting, !isOver.isFired { try await Self.pause() }
        try demand(!isOver.isFired, "a writer whose peer doesn't read must be held back")
        try demand(try await Self.drain(sleeping), is: bulk, "bytes of the stream that was read late")
        try await writing.value
    }

    func writesMoreThanAWindowBothWays(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let size = 2 << 20
        // Both sides have far more to say than fits before either reads.
        let writers = [opener, acceptor].map { stream in
            Task {
                try await stream.write(ByteBuffer(repeating: 3, count: size))
                try await stream.finish()
            }
        }
        defer { for writer in writers { writer.cancel() } }
        while !opener.muxed.isWriting || !acceptor.muxed.isWriting { try await Self.pause() }
        async let one = Self.drain(opener)
        async let two = Self.drain(acceptor)
        try demand(try await one, is: size, "bytes to the opener")
        try demand(try await two, is: size, "bytes to the acceptor")
        for writer in writers { try await writer.value }
    }

    /// Without flow control, the stream that nobody reads is reset, and another goes on.
    func resetsWhatIsNotRead(_ pair: Pair) async throws {
        let (slow, sleeping) = try await Self.open(pair)
        let bulk = self.bulk
        let writing = Task {
            try await demandError(StreamError.self, [.reset], "a writer whose peer doesn't read") {
                let chunk = ByteBuffer(repeating: 1, count: 64 * 1_024)
                for _ in 0..<(bulk / chunk.readableBytes) { try await slow.write(chunk) }
                _ = try await slow.read()
            }
        }
        defer { writing.cancel() }
        let (opener, acceptor) = try await Self.open(pair)
        async let received = Self.drain(acceptor)
        let chunk = ByteBuffer(repeating: 2, count: 64 * 1_024)
        for _ in 0..<(bulk / chunk.readableBytes) { try await opener.write(chunk) }
        try await opener.finish()
        try demand(try await received, is: bulk, "bytes of the stream that is read")
        try await writing.value
        try await demandError(StreamError.self, [.resourceLimit, .reset], "reading the stream that was read too late") {
            _ = try await Self.drain(sleeping)
        }
    }

    /// Without flow control, what both sides have sent before either reads is kept, up to the limit.
    func keepsWhatIsNotReadYet(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        let size = 2 << 20
        async let forth: Void = Self.send(size, on: opener)
        async let back: Void = Self.send(size, on: acceptor)
        try await forth
        try await back
        try demand(try await Self.drain(opener), is: size, "bytes to the opener")
        try demand(try await Self.drain(acceptor), is: size, "bytes to the acceptor")
    }

    private static func send(_ count: Int, on stream: PeerStream) async throws {
        try await stream.write(ByteBuffer(repeating: 3, count: count))
        try await stream.finish()
    }

    func keepsOrderInSmallPieces(_ pair: Pair) async throws {
        try await self.withEcho(pair) {
            let stream = try await pair.dialer.openStream()
            let body = Self.pattern(100_000)
            async let sent: Void = {
                var rest = body
                var size = 1
                while rest.readableBytes > 0, let piece = rest.readSlice(length: min(size, rest.readableBytes)) {
                    try await stream.write(piece)
                    size = size % 97 + 1
                }
                try await stream.finish()
            }()
            let back = try await stream.readToEnd(upTo: body.readableBytes)
            try await sent
            try demand(ByteBuffer(bytes: back) == body, "small pieces came back changed")
        }
    }

    func runsManyStreamsInTurn(_ pair: Pair) async throws {
        let count = self.sequentialStreams
        try await self.withEcho(pair) {
            for number in 0..<count {
                try await Self.roundTrip(try await pair.dialer.openStream(), Self.pattern(32, seed: number))
            }
        }
        try await self.demandNoStreams(pair)
    }

    func runsManyStreamsAtOnce(_ pair: Pair) async throws {
        let count = self.concurrentStreams
        try await self.withEcho(pair) {
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<count {
                    group.addTask {
                        try await Self.roundTrip(try await pair.dialer.openStream(), Self.pattern(20_000, seed: number))
                    }
                }
            }
        }
        try await self.demandNoStreams(pair)
    }

    /// Every stream has left the tables; the last half-closes may still be on their way.
    private func demandNoStreams(_ pair: Pair) async throws {
        while pair.dialer.traffic.streams > 0 || pair.listener.traffic.streams > 0 { try await Self.pause() }
    }

    /// Lets other threads go on.
    static func pause() async throws {
        try Task.checkCancellation()
        try await Task.sleep(for: .milliseconds(1))
    }

    func boundsTheBacklog(_ pair: Pair) async throws {
        let excess = 20
        // Nobody accepts: those beyond the backlog are reset, or wait for their turn.
        var streams: [PeerStream] = []
        for _ in 0..<(self.backlog + excess) {
            let stream = try await pair.dialer.openStream()
            try await stream.write(bytes: [1])
            streams.append(stream)
        }
        let listener = pair.listener
        let accepting = Task {
            var accepted = 0
            var inbound = listener.inboundStreams.makeAsyncIterator()
            while let stream = try await inbound.next() {
                accepted += 1
                _ = try await stream.readExactly(1)
                try await stream.finish()
                stream.stopReading()
            }
            return accepted
        }
        var finished = 0
        for stream in streams {
            do {
                try demand(try await stream.read(), is: nil, "the answer on an accepted stream")
                // No reset: a muxer may count those, and lose its patience.
                try await stream.finish()
                finished += 1
            } catch let error as StreamError {
                try demand(error.code, is: .reset, "a stream beyond the backlog")
            }
        }
        try demand(finished >= self.backlog, "only \(finished) streams were accepted, fewer than the backlog of \(self.backlog)")
        let last = try await pair.dialer.openStream()
        try await last.write(bytes: [1])
        try demand(try await last.read(), is: nil, "a stream after the backlog was emptied")
        accepting.cancel()
        _ = await accepting.result
    }

    func boundsTheStreams(_ pair: Pair) async throws {
        var streams: [PeerStream] = []
        for _ in 0..<self.streamLimit { streams.append(try await pair.dialer.openStream()) }
        try await demandError(ConnectionError.self, [.resourceLimit], "a stream beyond the limit of \(self.streamLimit)") {
            _ = try await pair.dialer.openStream()
        }
        streams.removeLast()
        while try await !Self.mayOpen(pair.dialer) { try await Self.pause() }
    }

    private static func mayOpen(_ connection: any MuxedConnection) async throws -> Bool {
        (try? await connection.openStream()) != nil
    }

    func countsTraffic(_ pair: Pair) async throws {
        let (opener, acceptor) = try await Self.open(pair)
        try await opener.write(ByteBuffer(repeating: 0, count: 10_000))
        try await opener.finish()
        _ = try await Self.drain(acceptor)
        try demand(pair.dialer.traffic.bytesOut >= 10_001, "bytes that the dialer sent")
        try demand(pair.listener.traffic.bytesIn >= 10_001, "bytes that the listener received")
        try demand(pair.dialer.traffic.streams, is: 1, "streams that live")
        try await acceptor.finish()
        try demand(try await opener.read(), is: nil, "the end")
        try await self.demandNoStreams(pair)
    }
}
